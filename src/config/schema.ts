/**
 * The configuration of a run: one schema for files, profiles, flags and forms.
 *
 * Defaults are the conservative choice for a small machine. Keys are the words
 * of the field in camelCase; the flag for `model.nLayer` is `--n-layer`.
 *
 * @module
 */

import { z } from "zod";
import type { HearthConfig } from "./hearth_config.ts";
import { PROFILE_NAMES } from "./profile_names.ts";

const count = z.int().min(1);
const countOrZero = z.int().min(0);
const probability = z.number().min(0).lt(1);

/** Shape of the network. */
const modelSchema = z.strictObject({
  arch: z.enum(["gpt2", "llama"]).default("gpt2")
    .describe(
      "gpt2: learned positions, LayerNorm, GELU; llama: RoPE, RMSNorm, SwiGLU",
    ),
  nLayer: count.max(1000).default(4).describe("transformer blocks"),
  nHead: count.max(1024).default(4).describe("attention heads"),
  nKvHead: count.max(1024).optional()
    .describe(
      "key/value heads for grouped-query attention (llama); default nHead",
    ),
  nEmbd: count.max(65536).default(128).describe("channels"),
  seqLen: count.max(1 << 20).default(128).describe("tokens per sequence"),
  ffnDim: count.optional()
    .describe(
      "inner size of the feed-forward layer; default 4*nEmbd (gpt2), 8/3*nEmbd rounded up to 32 (llama)",
    ),
  bias: z.boolean().default(true).describe(
    "biases in linear layers and LayerNorm (gpt2)",
  ),
  dropout: probability.default(0).describe("dropout probability"),
  gelu: z.enum(["tanh", "exact"]).default("tanh").describe(
    "form of GELU (gpt2)",
  ),
  ropeTheta: z.number().positive().default(10000).describe(
    "base of the rotary frequencies (llama)",
  ),
  normEps: z.number().positive().default(1e-5).describe(
    "epsilon of LayerNorm and RMSNorm",
  ),
  tieEmbeddings: z.boolean().default(true).describe(
    "share the token embedding with the output head",
  ),
});

/** How text becomes ids. */
const tokenizerSchema = z.strictObject({
  type: z.enum(["bpe", "char", "byte", "file"]).default("bpe")
    .describe(
      "bpe: byte-level BPE trained on the data; char; byte; file: an existing tokenizer.json",
    ),
  vocabSize: z.int().min(257).max(1 << 20).default(2048).describe(
    "size of a trained bpe vocabulary, special tokens included",
  ),
  path: z.string().min(1).optional().describe(
    "tokenizer.json to use when type is file",
  ),
});

const weightedSource = z.strictObject({
  source: z.string().min(1).describe("sample, a file, a folder or a glob"),
  weight: z.number().positive().optional().describe(
    "share in a mix; default 1 if another source has one",
  ),
});

const sources = z.union([
  z.string().min(1),
  z.array(z.union([z.string().min(1), weightedSource])).min(1),
]);

/** What text to train and validate on. */
const dataSchema = z.strictObject({
  dataset: sources.default("sample").describe(
    "sample, wikitext-2, hf:OWNER/NAME, https://…, a file, a folder, a glob " +
      "or - (standard input); or a list of them",
  ),
  textColumn: z.string().min(1).optional().describe(
    "column or field with the text; default: text",
  ),
  valDataset: sources.optional().describe(
    "validation text; default: a part of the dataset",
  ),
  valFraction: z.number().gt(0).lt(1).default(0.1).describe(
    "part of the dataset kept for validation",
  ),
});

/** How to optimize. */
const trainSchema = z.strictObject({
  // 0 stands for auto, so that all readers have a number.
  batchSize: z.union([countOrZero, z.literal("auto").transform(() => 0)])
    .prefault(8).describe(
      "sequences per micro-step; auto (0): as many as the device does well",
    ),
  prefetchBatches: countOrZero.max(64).default(1).describe(
    "batches made ahead while the device works; 0: none",
  ),
  gradAccumSteps: count.default(1).describe("micro-steps per optimizer step"),
  recompute: z.enum(["none", "selective", "full"]).default("none").describe(
    "compute activations again to save memory: those of norms and activation " +
      "functions, or all of each layer",
  ),
  epochs: z.number().positive().optional().describe(
    "passes over the training tokens; default 1",
  ),
  steps: countOrZero.optional().describe("optimizer steps, in place of epochs"),
  lr: z.number().positive().default(1e-3).describe("peak learning rate"),
  minLr: z.number().min(0).optional().describe(
    "learning rate at the end; default lr/10",
  ),
  warmupSteps: countOrZero.default(100).describe("steps of linear warm-up"),
  warmupFraction: z.number().gt(0).max(1).optional().describe(
    "largest part of a new run that the warm-up takes; default 0.1, or 1 " +
      "where warmupSteps is set",
  ),
  schedule: z.enum(["cosine", "linear", "constant", "wsd"]).default("cosine")
    .describe("learning rate after the warm-up"),
  decayFraction: z.number().gt(0).max(1).default(0.2).describe(
    "last part of the run in which wsd decays",
  ),
  weightDecay: z.number().min(0).default(0.1).describe(
    "decay of matrices, as AdamW",
  ),
  beta1: probability.default(0.9).describe("AdamW decay of the mean"),
  beta2: probability.default(0.95).describe("AdamW decay of the square"),
  eps: z.number().positive().default(1e-8).describe("AdamW epsilon"),
  gradClip: z.number().min(0).default(1).describe(
    "largest global gradient norm; 0 turns clipping off",
  ),
  logEvery: count.default(10).describe("steps between log lines"),
  evalEvery: countOrZero.default(250).describe(
    "steps between evaluations; 0: only at the end",
  ),
  evalBatches: countOrZero.default(50).describe(
    "batches per evaluation; 0: all of the validation data",
  ),
  earlyStopPatience: countOrZero.default(0).describe(
    "stop after this many evaluations without a new best; 0: never",
  ),
  maxSkippedSteps: count.default(10).describe(
    "stop after this many non-finite steps in a row",
  ),
});

/** Adapters to train in place of all weights. */
const loraSchema = z.strictObject({
  rank: count.max(65536).optional().describe(
    "rank of LoRA adapters, which are trained in place of the model of --from; " +
      "default: none, all weights are trained",
  ),
  alpha: z.number().positive().optional().describe(
    "what adapters add is multiplied by alpha / rank; default: twice the rank",
  ),
  dropout: probability.optional().describe(
    "dropout of what adapters read; default 0",
  ),
  targets: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1),
  ]).optional().describe(
    "layers with adapters, such as qkv,attProj; default: all of each block",
  ),
});

/** What to keep on disk. */
const checkpointSchema = z.strictObject({
  every: countOrZero.default(500).describe(
    "steps between checkpoints; 0: only at the end",
  ),
  keep: count.default(3).describe(
    "newest periodic checkpoints to keep, besides best",
  ),
  best: z.boolean().default(true).describe(
    "also keep the checkpoint with the best validation loss",
  ),
});

/** The whole configuration. */
export const configSchema = z.strictObject({
  seed: z.int().min(0).default(1337).describe(
    "seed of initialization, shuffling and dropout",
  ),
  from: z.string().min(1).optional().describe(
    "run or checkpoint whose model is trained on; default: a new model",
  ),
  device: z.string().min(1).default("auto").describe(
    "auto, cpu, gpu:N, cuda:N, vulkan:N, webgpu:N or part of a name",
  ),
  strictDevice: z.boolean().default(false).describe(
    "fail when the device or precision asked for is not there",
  ),
  precision: z.enum(["fp32", "bf16", "fp16"]).default("fp32").describe(
    "arithmetic of the matrix products",
  ),
  threads: countOrZero.default(0).describe(
    "CPU threads; 0: one per physical core",
  ),
  gemm: z.enum(["auto", "native", "blas", "wasm"]).default("auto").describe(
    "matrix products on the CPU: native code, the system's BLAS, wasm, or " +
      "auto: the first that runs",
  ),
  tune: z.boolean().default(true).describe(
    "time matrix products on a GPU once, to choose the fastest",
  ),
  model: modelSchema.prefault({}),
  tokenizer: tokenizerSchema.prefault({}),
  data: dataSchema.prefault({}),
  train: trainSchema.prefault({}),
  lora: loraSchema.prefault({}),
  checkpoint: checkpointSchema.prefault({}),
}) satisfies z.ZodType<HearthConfig>;

/** A configuration as a file may hold it. */
export const configFileSchema = configSchema.extend({
  $schema: z.string().optional().describe("JSON Schema of this file"),
  profile: z.enum(PROFILE_NAMES).optional().describe(
    "configuration to start from",
  ),
});

/** What a person may write: every key is optional. */
export type ConfigInput = z.input<typeof configSchema>;
