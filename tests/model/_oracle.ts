/**
 * What PyTorch computed, and the same weights and batches to compare with.
 *
 * The formulas are those of tests/fixtures/pytorch_oracle.py.
 */

import type { NamedTensor } from "../../src/base/safetensors.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import {
  type ModelConfig,
  type ModelSection,
  resolveModel,
} from "../../src/model/model_config.ts";
import { fromHuggingFace } from "./_huggingface.ts";

/** The cases of the oracle: pytorch_<case>.json. */
export const ORACLE_CASES = ["gpt2", "gpt2_exact", "llama", "llama_tied"];

/** A tensor as the fixture stores it. */
export interface StoredTensor {
  shape: number[];
  base64: string;
}

/** Settings of the oracle's training. */
export interface TrainSettings {
  steps: number;
  /** Batches that are repeated in turn. */
  batches: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  gradClip: number;
  /** Learning rate of each step. */
  lrs: number[];
}

/** One case of the oracle. */
export interface Oracle {
  config: ModelConfig;
  /** Sequences per batch, of seqLen tokens. */
  B: number;
  /** Start values of our parameters. */
  weights: Map<string, Float32Array>;
  /** The config.json that transformers writes for the model. */
  configJson: Record<string, unknown>;
  /** Names and shapes of the trainable tensors, as transformers has them. */
  shapes: Record<string, number[]>;
  /** Of batch 0, (B * seqLen, V). */
  logits: Float32Array;
  /** Of batch 0. */
  loss: number;
  /** Gradients of batch 0, under our names. */
  grads: Map<string, Float32Array>;
  train: TrainSettings & { trainLosses: number[]; gradNorms: number[] };
}

/** Reads a case. */
export function loadOracle(name: string): Oracle {
  const { case: shape, configJson, logits, loss, grads, train } = readFixture(
    `pytorch_${name}.json`,
  ) as {
    case: ModelSection & { vocabSize: number; B: number };
    configJson: Oracle["configJson"];
    logits: StoredTensor;
    loss: number;
    grads: Record<string, StoredTensor>;
    train: Oracle["train"];
  };
  const defaults = { dropout: 0, gelu: "tanh", ropeTheta: 10000 } as const;
  const config = resolveModel({ ...defaults, ...shape }, shape.vocabSize);
  return {
    config,
    B: shape.B,
    weights: fromHuggingFace(config, hashedWeights(config)),
    configJson,
    shapes: Object.fromEntries(
      Object.entries(grads).map(([name, { shape }]) => [name, shape]),
    ),
    logits: decode(logits),
    loss,
    grads: fromHuggingFace(config, storedGrads(config, grads)),
    train,
  };
}

/** A JSON file of tests/fixtures/. */
export function readFixture(name: string): unknown {
  const url = new URL(`../fixtures/${name}`, import.meta.url);
  return JSON.parse(Deno.readTextFileSync(url));
}

/** ids and targets of batch `index`, both u32 (B * seqLen). */
export function oracleBatch(
  { config, B }: Pick<Oracle, "config" | "B">,
  index: number,
): { ids: Uint32Array; targets: Uint32Array } {
  const T = config.seqLen;
  const token = (b: number, t: number) =>
    hashU32(`batch.${index}`, b * (T + 1) + t) % config.vocabSize;
  const at = (shift: number) =>
    Uint32Array.from(
      { length: B * T },
      (_, r) => token(Math.floor(r / T), r % T + shift),
    );
  return { ids: at(0), targets: at(1) };
}

/** Deterministic weights under Hugging Face's names. */
export function hashedWeights(config: ModelConfig): NamedTensor[] {
  return huggingFaceTensors(config).map(({ name, shape, param }) => {
    const data = new Float32Array(sizeOf(shape));
    for (let i = 0; param !== null && i < data.length; i++) {
      const u = hashU32(name, i) / 2 ** 32 - 0.5;
      if (shape.length === 2) data[i] = 0.3 * u;
      else data[i] = name.endsWith(".bias") ? 0.2 * u : 1 + 0.2 * u;
    }
    return { name, shape, data };
  });
}

/** Gradients that PyTorch has; the biases we do not have count as zeros. */
function storedGrads(
  config: ModelConfig,
  grads: Record<string, StoredTensor>,
): NamedTensor[] {
  const absent = huggingFaceTensors(config).filter(({ param }) => !param)
    .map(({ name, shape }) => ({
      name,
      shape,
      data: new Float32Array(sizeOf(shape)),
    }));
  const stored = Object.entries(grads).map(([name, tensor]) => ({
    name,
    shape: tensor.shape,
    data: decode(tensor),
  }));
  return [...absent, ...stored];
}

/** The numbers of a stored tensor. */
export function decode({ base64 }: StoredTensor): Float32Array {
  return new Float32Array(Uint8Array.fromBase64(base64).buffer);
}

/** 32-bit FNV-1a of an ASCII text. */
function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  return h;
}

/** Element i of the sequence called name: MurmurHash3's finalizer. */
export function hashU32(name: string, i: number): number {
  let h = (fnv1a(name) + Math.imul(i, 0x9e3779b9)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
