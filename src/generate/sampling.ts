/**
 * How the next token is chosen, for people and for the device.
 *
 * The order of the steps is that of Hugging Face's `generate`: repetition
 * penalty, temperature, top-k, top-p. The device takes them, by the op
 * `sample` of graph/ops.ts; here is what it is told.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { seedKey } from "../base/philox.ts";

/** How the next token is drawn. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the most likely token. */
  temperature: number;
  /** Draw from this many of the most likely tokens only; 0: from all. */
  topK: number;
  /** Draw from the fewest tokens that reach this probability; 1: from all. */
  topP: number;
  /**
   * Divides positive and multiplies negative logits of tokens seen before;
   * 1: no penalty. Keskar et al. 2019, https://arxiv.org/abs/1909.05858.
   */
  repetitionPenalty: number;
}

/** nanoGPT's values, with the whole probability and no penalty. */
export const DEFAULT_SAMPLING: SamplingOptions = {
  temperature: 0.8,
  topK: 200,
  topP: 1,
  repetitionPenalty: 1,
};

/** @throws {UserError} If a value is out of range. */
export function checkSampling(options: SamplingOptions): void {
  const { temperature, topK, topP, repetitionPenalty } = options;
  const finite = Number.isFinite;
  checkFlag("temperature", temperature, {
    ok: finite(temperature) && temperature >= 0,
    allowed: "0 or more",
    hint: "use --temperature 0 for the most likely text, or about 0.8",
  });
  checkFlag("top-k", topK, {
    ok: Number.isSafeInteger(topK) && topK >= 0,
    allowed: "a whole number of 0 or more",
    hint: "use --top-k 0 to draw from all tokens",
  });
  checkFlag("top-p", topP, {
    ok: topP > 0 && topP <= 1,
    allowed: "above 0 and at most 1",
    hint: "use --top-p 1 to draw from all tokens",
  });
  checkFlag("repetition-penalty", repetitionPenalty, {
    ok: finite(repetitionPenalty) && repetitionPenalty > 0,
    allowed: "above 0",
    hint: "use --repetition-penalty 1 for none, or about 1.1",
  });
}

/** Refuses the value of a flag. @throws {UserError} If not `ok`. */
export function checkFlag(
  flag: string,
  value: number,
  { ok, allowed, hint }: { ok: boolean; allowed: string; hint: string },
): void {
  if (ok) return;
  throw new UserError(`Cannot use --${flag} ${value}: expected ${allowed}`, {
    hint,
    exitCode: EXIT.usage,
  });
}

/** Below this, as f32 has it, a temperature means the most likely token. */
const COLDEST = 1e-30;

/** The input `settings` of `sample`, f32 (3). */
export function samplingSettings(options: SamplingOptions): Float32Array {
  const { temperature, topP, repetitionPenalty } = options;
  return Float32Array.of(
    temperature < COLDEST ? 0 : temperature,
    topP,
    repetitionPenalty,
  );
}

/**
 * The input `choice` of `sample`, u32 (6).
 *
 * @param draw Which of the tokens that `seed` draws, from 0.
 * @param slot Where the device notes it.
 * @param vocabSize Ids from here on are never drawn.
 */
export function samplingChoice(
  { topK, seed, draw, slot, vocabSize }: {
    topK: number;
    seed: number;
    draw: number;
    slot: number;
    vocabSize: number;
  },
): Uint32Array {
  const k = Math.min(topK, vocabSize); // as it may not fit 32 bits
  return Uint32Array.of(...seedKey(seed), draw, slot, k, vocabSize);
}

/** The input `used` of `sample`: a bit for each of `history`, u32. */
export function usedIds(
  history: Iterable<number>,
  { vocabSize }: { vocabSize: number },
): Uint32Array {
  const used = new Uint32Array(Math.ceil(vocabSize / 32));
  for (const id of history) {
    if (id < vocabSize) used[id >>> 5] |= 1 << (id & 31);
  }
  return used;
}
