/**
 * How big a model is: parameters, and arithmetic per token.
 *
 * @module
 */

import { sizeOf } from "../graph/tensor.ts";
import { type Lora, trainableParameters } from "./lora.ts";
import type { ModelConfig } from "./model_config.ts";
import { parameters } from "./parameters.ts";

/** Numbers of the whole model. */
export function parameterCount(config: ModelConfig): number {
  return count(config, () => true);
}

/** Numbers that training changes: those of the adapters, if there are some. */
export function trainableCount(
  config: ModelConfig,
  lora: Lora | null = null,
): number {
  return trainableParameters(config, lora)
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Floating-point operations of one training token, forward and backward:
 * 6 per number of every matrix that multiplies (the output head included,
 * lookups not), and 12 * L * H * D * T for attention scores and sums at the
 * full context, causal or not. Chowdhery et al. 2022, appendix B,
 * https://arxiv.org/abs/2204.02311.
 */
export function flopsPerToken(config: ModelConfig): number {
  const { nLayer, nHead, headDim, seqLen, vocabSize, nEmbd } = config;
  const matrices = count(
    config,
    (name, shape) => shape.length === 2 && !EMBEDDINGS.has(name),
  );
  const head = vocabSize * nEmbd;
  return 6 * (matrices + head) + 12 * nLayer * nHead * headDim * seqLen;
}

const EMBEDDINGS = new Set(["wte", "wpe", "lmHead"]);

function count(
  config: ModelConfig,
  counts: (name: string, shape: readonly number[]) => boolean,
): number {
  let total = 0;
  for (const { name, shape } of parameters(config)) {
    if (counts(name, shape)) total += sizeOf(shape);
  }
  return total;
}
