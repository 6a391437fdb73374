/**
 * A complete configuration as the rest of the program and users of the library
 * read it: every setting with its unit. schema.ts says what a person may write
 * and what is filled in; the compiler holds the two together.
 *
 * @module
 */

/** All settings of a run; `meta.json` keeps them. */
export interface HearthConfig {
  /** Of initialization, shuffling and dropout: same seed, same numbers. */
  seed: number;
  /** Run or checkpoint whose model is trained on; absent for a new model. */
  from?: string;
  /**
   * `auto`, `cpu`, `gpu:N`, `cuda:N`, `vulkan:N`, `webgpu:N`, or part of a name.
   */
  device: string;
  /** Fail where a missing device or precision would only be warned of. */
  strictDevice: boolean;
  /** Arithmetic of the matrix products; parameters are always kept in fp32. */
  precision: "fp32" | "bf16" | "fp16";
  /** CPU threads; 0 is one per physical core. */
  threads: number;
  /** Who multiplies matrices on a CPU. */
  gemm: "auto" | "native" | "blas" | "wasm";
  /** Time the kernels of a GPU once, to choose the fastest. */
  tune: boolean;
  /** Shape of the network. */
  model: ModelSection;
  /** How text becomes ids. */
  tokenizer: TokenizerSection;
  /** What text to train and validate on. */
  data: DataSection;
  /** How to optimize. */
  train: TrainSection;
  /** Adapters to train in place of all weights. */
  lora: LoraSection;
  /** What to keep on disk. */
  checkpoint: CheckpointSection;
}

/** The `model` section: the shape of the network, but for the vocabulary. */
export interface ModelSection {
  /** gpt2: learned positions, LayerNorm, GELU; llama: RoPE, RMSNorm, SwiGLU. */
  arch: "gpt2" | "llama";
  /** Transformer blocks. */
  nLayer: number;
  /** Attention heads; a divisor of nEmbd. */
  nHead: number;
  /** Heads of keys and values (llama), a divisor of nHead; absent is nHead. */
  nKvHead?: number;
  /** Channels. */
  nEmbd: number;
  /** Tokens per sequence: the context. */
  seqLen: number;
  /**
   * Inner channels of the feed-forward layer; absent is 4 nEmbd (gpt2), or
   * 8/3 nEmbd rounded up to 32 (llama).
   */
  ffnDim?: number;
  /** Biases in linear layers and LayerNorm (gpt2). */
  bias: boolean;
  /** Probability of dropping an element while training. */
  dropout: number;
  /** GELU by its tanh approximation, or by erf (gpt2). */
  gelu: "tanh" | "exact";
  /** Base of the rotary frequencies (llama). */
  ropeTheta: number;
  /** Added to the variance under the root of LayerNorm and RMSNorm. */
  normEps: number;
  /** Whether the output head is the token embedding. */
  tieEmbeddings: boolean;
}

/** The `tokenizer` section. */
export interface TokenizerSection {
  /**
   * bpe: byte-level BPE, trained on the data; char: one id per character of
   * the data; byte: UTF-8 bytes; file: an existing `tokenizer.json`.
   */
  type: "bpe" | "char" | "byte" | "file";
  /** Ids of a `bpe` that is trained, special tokens included. */
  vocabSize: number;
  /** The `tokenizer.json`, where type is `file`. */
  path?: string;
}

/** A source of a mix and its share. */
export interface WeightedSource {
  /** As a {@linkcode DataSection.dataset} that is one string. */
  source: string;
  /** Share of the training tokens, relative to the other weights. */
  weight?: number;
}

/** One source of text, or several that are mixed. */
export type Sources = string | (string | WeightedSource)[];

/** The `data` section. */
export interface DataSection {
  /** `sample`, `wikitext-2`, `hf:OWNER/NAME`, a URL, a file, folder or glob. */
  dataset: Sources;
  /** Column or field that holds the text; absent is `text`. */
  textColumn?: string;
  /** Text to validate on; absent is a part of the dataset. */
  valDataset?: Sources;
  /** That part, above 0 and below 1. */
  valFraction: number;
}

/** The `train` section. */
export interface TrainSection {
  /** Sequences per micro-step; 0 is as many as the device does well. */
  batchSize: number;
  /** Batches made ahead while the device works. */
  prefetchBatches: number;
  /** Micro-steps whose gradients one optimizer step adds up. */
  gradAccumSteps: number;
  /** Activations to compute again in the backward pass, to save memory. */
  recompute: "none" | "selective" | "full";
  /** Passes over the training tokens; absent, without `steps`, is 1. */
  epochs?: number;
  /** Optimizer steps, in place of `epochs`. */
  steps?: number;
  /** Peak learning rate. */
  lr: number;
  /** Learning rate at the end; absent is lr / 10. */
  minLr?: number;
  /** Steps of linear warm-up. */
  warmupSteps: number;
  /** Part of a new run that it takes at most; absent once that is settled. */
  warmupFraction?: number;
  /** Learning rate after the warm-up. */
  schedule: "cosine" | "linear" | "constant" | "wsd";
  /** Last part of the run, 0 to 1, in which `wsd` decays. */
  decayFraction: number;
  /** AdamW's decay; of matrices only. Loshchilov & Hutter 2019. */
  weightDecay: number;
  /** AdamW's decay of the mean of gradients. */
  beta1: number;
  /** AdamW's decay of the mean of their squares. */
  beta2: number;
  /** AdamW's epsilon. */
  eps: number;
  /** Largest norm of all gradients together; 0 turns clipping off. */
  gradClip: number;
  /** Steps between log lines. */
  logEvery: number;
  /** Steps between evaluations; 0 is only at the end. */
  evalEvery: number;
  /** Batches per evaluation; 0 is all of the validation data. */
  evalBatches: number;
  /** Stop after this many evaluations without a new best; 0 is never. */
  earlyStopPatience: number;
  /** Stop after this many steps in a row whose loss is not finite. */
  maxSkippedSteps: number;
}

/** The `lora` section: adapters beside the model of `from`. */
export interface LoraSection {
  /** Of each adapter; absent: there are none, and all weights are trained. */
  rank?: number;
  /** What adapters add is multiplied by alpha / rank; absent is 2 rank. */
  alpha?: number;
  /** Of what adapters read; absent is 0. */
  dropout?: number;
  /** Layers by name, in a list or with commas; absent is all of each block. */
  targets?: string | string[];
}

/** The `checkpoint` section. */
export interface CheckpointSection {
  /** Steps between checkpoints; 0 is only at the end. */
  every: number;
  /** Newest periodic checkpoints to keep, besides the best. */
  keep: number;
  /** Whether to keep the checkpoint with the lowest validation loss as well. */
  best: boolean;
}
