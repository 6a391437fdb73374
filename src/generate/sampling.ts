/**
 * Choosing the next token from logits.
 *
 * The order of the steps is that of Hugging Face's `generate`: repetition
 * penalty, temperature, top-k, top-p. Sums are f64, and equal logits are
 * ordered by id, so the same logits and seed always give the same token.
 * Passes over the vocabulary are plain loops by index, and only the few that
 * may be drawn are ever sorted: at V = 50,304, iterators and callbacks of
 * typed arrays took 1.2 ms a token, these 0.6 (AMD EPYC, November
 * 2026).
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { PhiloxStream } from "../base/philox.ts";

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

/** More than sums of probabilities in another order can differ by. */
const ROUNDING = 1e-9;

/** nanoGPT's values, with the whole probability and no penalty. */
export const DEFAULT_SAMPLING: SamplingOptions = {
  temperature: 0.8,
  topK: 200,
  topP: 1,
  repetitionPenalty: 1,
};

/** Tokens that may come next, in ascending order of id. */
export interface Candidates {
  readonly ids: Uint32Array;
  /** Probability of each, summing to 1. */
  readonly probs: Float64Array;
}

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

/**
 * Draws the next token.
 *
 * @param logits f32 (V); not changed.
 * @param history Ids so far, prompt included, for the penalty.
 * @throws {UserError} If the logits are not numbers.
 */
export function sampleToken(
  logits: Float32Array,
  { options, history, random }: {
    options: SamplingOptions;
    history: Iterable<number>;
    random: PhiloxStream;
  },
): number {
  const { ids, probs } = candidates(logits, { options, history });
  let rest = random.uniform();
  for (let i = 0; i < ids.length; i++) {
    rest -= probs[i];
    if (rest < 0) return ids[i];
  }
  // Out of reach: the sum is 1 but for f64 rounding, and `uniform` stays
  // below 1 by 2^-24.
  return ids[ids.length - 1];
}

/** The tokens that {@linkcode sampleToken} draws from. */
export function candidates(
  logits: Float32Array,
  { options, history }: {
    options: SamplingOptions;
    history: Iterable<number>;
  },
): Candidates {
  const { temperature, topK, topP, repetitionPenalty: penalty } = options;
  const scores = penalty === 1
    ? logits
    : penalize(logits, { penalty, history });
  if (!areFinite(scores)) {
    throw new UserError("Cannot choose a token: the model gives no numbers", {
      hint: "its training went wrong; use an earlier checkpoint",
    });
  }
  if (temperature === 0) {
    let best = 0;
    for (let id = 1; id < scores.length; id++) {
      if (scores[id] > scores[best]) best = id;
    }
    return { ids: Uint32Array.of(best), probs: Float64Array.of(1) };
  }
  const ids = topKIds(scores, topK);
  const probs = softmax(scores, { ids, temperature });
  return topP < 1 ? nucleus({ ids, probs }, topP) : { ids, probs };
}

/** Logits, in f64 if the penalty has changed them. */
type Scores = Float32Array | Float64Array;

function areFinite(scores: Scores): boolean {
  let sum = 0; // of zeros, unless there is an infinity or a NaN
  for (let id = 0; id < scores.length; id++) sum += scores[id] - scores[id];
  return sum === 0;
}

/** Logits with the repetition penalty. */
function penalize(
  logits: Float32Array,
  { penalty, history }: { penalty: number; history: Iterable<number> },
): Float64Array {
  const scores = new Float64Array(logits);
  for (const id of new Set(history)) {
    if (id >= scores.length) continue;
    scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
  }
  return scores;
}

/** Ids of the k largest scores, ascending; of equal scores the lowest ids. */
function topKIds(scores: Scores, k: number): Uint32Array {
  const V = scores.length;
  const ids = new Uint32Array(k === 0 ? V : Math.min(k, V));
  const threshold = ids.length === V ? -Infinity : kthLargest(scores, k);
  let ties = ids.length;
  for (let id = 0; id < V; id++) if (scores[id] > threshold) ties--;
  let size = 0;
  for (let id = 0; id < V; id++) {
    const score = scores[id];
    if (score > threshold || (score === threshold && ties-- > 0)) {
      ids[size++] = id;
    }
  }
  return ids;
}

/** The k-th largest score, in one pass. */
function kthLargest(scores: Scores, k: number): number {
  const best = new Float64Array(2 * k);
  let size = 0, threshold = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] <= threshold) continue; // k others are at least as large
    best[size++] = scores[id];
    if (size < best.length) continue;
    best.sort();
    best.copyWithin(0, k);
    size = k;
    threshold = best[0];
  }
  return best.subarray(0, size).sort()[size - k];
}

/** Probabilities of `ids` alone, summing to 1. */
function softmax(
  scores: Scores,
  { ids, temperature }: { ids: Uint32Array; temperature: number },
): Float64Array {
  let largest = -Infinity;
  for (let i = 0; i < ids.length; i++) {
    largest = Math.max(largest, scores[ids[i]]);
  }
  const weights = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    weights[i] = Math.exp((scores[ids[i]] - largest) / temperature);
  }
  return normalize(weights);
}

/** The fewest candidates, likeliest first, that reach the probability p. */
function nucleus({ ids, probs }: Candidates, p: number): Candidates {
  const bound = likely(probs, p);
  const order: number[] = [];
  for (let i = 0; i < probs.length; i++) if (probs[i] >= bound) order.push(i);
  order.sort((a, b) => probs[b] - probs[a]); // stable: equals stay by id
  let reached = 0, size = 0;
  while (size < order.length && reached < p) reached += probs[order[size++]];
  const kept = order.slice(0, size).sort((a, b) => a - b);
  return {
    ids: Uint32Array.from(kept, (i) => ids[i]),
    probs: normalize(Float64Array.from(kept, (i) => probs[i])),
  };
}

/** A bound such that the candidates at or above it reach the probability p. */
function likely(probs: Float64Array, p: number): number {
  // All those below (1-p)/n together have less than 1-p. Mostly far fewer
  // than the others suffice; they are found by looking for ever rarer ones.
  const rare = (1 - p) / probs.length;
  for (let bound = 1 / 4; bound > rare; bound /= 4) {
    let sum = 0;
    for (let i = 0; i < probs.length; i++) {
      if (probs[i] >= bound) sum += probs[i];
    }
    if (sum > p + ROUNDING) return bound;
  }
  return rare;
}

function normalize(weights: Float64Array): Float64Array {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i];
  for (let i = 0; i < weights.length; i++) weights[i] /= sum;
  return weights;
}
