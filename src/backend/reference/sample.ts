/**
 * Choosing the next token: everything sorted, all sums in f64.
 *
 * The order of the steps is that of Hugging Face's `generate`, with which
 * tests/generate/sampling_test.ts compares it.
 *
 * @module
 */

import { PhiloxStream, STREAM } from "../../base/philox.ts";
import { NO_TOKEN } from "../../graph/ops.ts";
import type { Kernels } from "./kernel.ts";

/** Tokens that may come next, in ascending order of id. */
export interface Candidates {
  readonly ids: readonly number[];
  /** Probability of each, summing to 1. */
  readonly probs: readonly number[];
}

/** How they are found; see `sample` in graph/ops.ts. */
export interface CandidateOptions {
  temperature: number;
  topK: number;
  topP: number;
  penalty: number;
  /** Whether a token is to be penalized. */
  isUsed: (id: number) => boolean;
}

/** The tokens that are drawn from; `logits` are finite. */
export function candidates(
  logits: ArrayLike<number>,
  { temperature, topK, topP, penalty, isUsed }: CandidateOptions,
): Candidates {
  const scores = Array.from(logits, (x, id) => {
    if (!isUsed(id)) return x;
    return x > 0 ? x / penalty : x * penalty;
  });
  const order = [...scores.keys()].sort((a, b) =>
    scores[b] - scores[a] || a - b
  );
  if (temperature === 0) return { ids: [order[0]], probs: [1] };
  const likeliest = topK === 0 ? order : order.slice(0, topK);
  const weights = likeliest.map((id) =>
    Math.exp((scores[id] - scores[order[0]]) / temperature)
  );
  const total = sum(weights);
  let size = likeliest.length;
  if (topP < 1) {
    let reached = 0;
    for (size = 0; size < weights.length && reached < topP; size++) {
      reached += weights[size] / total;
    }
  }
  const kept = likeliest.slice(0, size).map((id, i) => ({ id, i }))
    .sort((a, b) => a.id - b.id);
  const keptTotal = sum(kept.map(({ i }) => weights[i]));
  return {
    ids: kept.map(({ id }) => id),
    probs: kept.map(({ i }) => weights[i] / keptTotal),
  };
}

/** The kernel of generation's last step. */
export const sampleKernels: Kernels<"sample"> = {
  sample({ in: { logits, settings, choice }, out: { id, drawn, used } }) {
    const [temperature, topP, penalty] = settings;
    const [seedLow, seedHigh, draw, slot, topK, n] = choice;
    const allowed = logits.subarray(0, n);
    if (!allowed.every(Number.isFinite)) {
      id[0] = 0;
      drawn[slot] = NO_TOKEN;
      return;
    }
    const isUsed = (id: number) => (used[id >>> 5] >>> (id & 31) & 1) === 1;
    const options = { temperature, topK, topP, penalty, isUsed };
    const { ids, probs } = candidates(allowed, options);
    const stream = new PhiloxStream(
      seedLow + 2 ** 32 * seedHigh,
      STREAM.sampling,
    );
    for (let i = 0; i < draw; i++) stream.uint32();
    let rest = stream.uniform();
    const hit = probs.findIndex((p) => (rest -= p) < 0);
    const chosen = ids.at(hit)!; // -1, the last, if rounding left a rest
    id[0] = chosen;
    drawn[slot] = chosen;
    used[chosen >>> 5] |= 1 << (chosen & 31);
  },
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
