/**
 * Causal attention, its gradient, and attention over a key-value cache.
 *
 * Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped
 * queries from Ainslie et al. 2023, https://arxiv.org/abs/2305.13245.
 *
 * @module
 */

import type { AttentionAttrs } from "../../graph/ops.ts";
import type { TensorData } from "../backend.ts";
import { dropoutFactors } from "./dropout.ts";
import type { Kernels } from "./kernel.ts";

/** Kernels of attention. */
export const attentionKernels: Kernels<
  "attention" | "attentionBackward" | "attentionCached"
> = {
  attention({ in: { qkv, rng }, out: { out, lse }, attrs }) {
    const { D } = attrs;
    const factor = factors(rng, attrs);
    for (const { i, rowIndex, q, k, v, at } of queries(attrs)) {
      const scores = scoresOf(qkv, { q, k, i, D });
      const total = logSumExp(scores);
      const sums = new Float64Array(D);
      for (let j = 0; j <= i; j++) {
        const p = Math.exp(scores[j] - total) * factor(rowIndex, j);
        for (let d = 0; d < D; d++) sums[d] += p * qkv[v(j) + d];
      }
      out.set(sums, at);
      lse[rowIndex] = total;
    }
  },

  // With p the probabilities, f the dropout factors and y the output:
  // dv_j = sum_i p_ij f_ij dy_i;  ds_ij = p_ij (f_ij dy_i.v_j - dy_i.y_i);
  // dq_i = sum_j ds_ij k_j / sqrt(D);  dk_j = sum_i ds_ij q_i / sqrt(D).
  attentionBackward({ in: inputs, out: { dQkv }, attrs }) {
    const { dOut, qkv, out, lse, rng } = inputs;
    const { D } = attrs;
    const factor = factors(rng, attrs);
    const sums = new Float64Array(dQkv.length);
    for (const { i, rowIndex, q, k, v, at } of queries(attrs)) {
      const scores = scoresOf(qkv, { q, k, i, D });
      let dOutOut = 0;
      for (let d = 0; d < D; d++) dOutOut += dOut[at + d] * out[at + d];
      for (let j = 0; j <= i; j++) {
        const p = Math.exp(scores[j] - lse[rowIndex]);
        const f = factor(rowIndex, j);
        let dOutV = 0;
        for (let d = 0; d < D; d++) dOutV += dOut[at + d] * qkv[v(j) + d];
        const dScore = p * (f * dOutV - dOutOut) / Math.sqrt(D);
        for (let d = 0; d < D; d++) {
          sums[q + d] += dScore * qkv[k(j) + d];
          sums[k(j) + d] += dScore * qkv[q + d];
          sums[v(j) + d] += p * f * dOut[at + d];
        }
      }
    }
    dQkv.set(sums);
  },

  attentionCached({ in: { qkv, position }, out, attrs }) {
    const { T, S, H, Hkv, D } = attrs;
    const { kCache, vCache } = out;
    const start = position[0], width = (H + 2 * Hkv) * D, kvWidth = Hkv * D;
    if (start + T > S) {
      throw new RangeError(
        `Cannot attend to rows ${start}…${start + T - 1}: the cache has ${S}`,
      );
    }
    for (let t = 0; t < T; t++) {
      const k = t * width + H * D, v = k + kvWidth;
      kCache.set(qkv.subarray(k, k + kvWidth), (start + t) * kvWidth);
      vCache.set(qkv.subarray(v, v + kvWidth), (start + t) * kvWidth);
    }
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const q = t * width + h * D, head = Math.floor(h * Hkv / H) * D;
        const scores = new Float64Array(start + t + 1);
        for (let j = 0; j < scores.length; j++) {
          for (let d = 0; d < D; d++) {
            scores[j] += qkv[q + d] * kCache[j * kvWidth + head + d];
          }
          scores[j] /= Math.sqrt(D);
        }
        const total = logSumExp(scores);
        for (let d = 0; d < D; d++) {
          let sum = 0;
          scores.forEach((score, j) => {
            sum += Math.exp(score - total) * vCache[j * kvWidth + head + d];
          });
          out.out[(t * H + h) * D + d] = sum;
        }
      }
    }
  },
};

/** Where one query of one head finds what it needs, as array offsets. */
interface Query {
  /** Position in its sequence: it sees keys 0 … i. */
  i: number;
  /** `(b*H + h)*T + i`, the row of scores. */
  rowIndex: number;
  q: number;
  /** Offset of key j. */
  k: (j: number) => number;
  /** Offset of value j. */
  v: (j: number) => number;
  /** Offset of the query's row of the output. */
  at: number;
}

function* queries({ B, T, H, Hkv, D }: AttentionAttrs): Generator<Query> {
  const width = (H + 2 * Hkv) * D;
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const key = (H + Math.floor(h * Hkv / H)) * D, value = key + Hkv * D;
      for (let i = 0; i < T; i++) {
        const row = b * T + i;
        yield {
          i,
          rowIndex: (b * H + h) * T + i,
          q: row * width + h * D,
          k: (j) => (b * T + j) * width + key,
          v: (j) => (b * T + j) * width + value,
          at: (row * H + h) * D,
        };
      }
    }
  }
}

/** Scaled scores of one query against keys 0 … i. */
function scoresOf(
  qkv: TensorData,
  { q, k, i, D }: Pick<Query, "q" | "k" | "i"> & { D: number },
): Float64Array {
  const scores = new Float64Array(i + 1);
  for (let j = 0; j <= i; j++) {
    for (let d = 0; d < D; d++) scores[j] += qkv[q + d] * qkv[k(j) + d];
    scores[j] /= Math.sqrt(D);
  }
  return scores;
}

/** Dropout factor of the probability at row `rowIndex`, key j. */
function factors(
  rng: TensorData | undefined,
  { T, p, site }: AttentionAttrs,
): (rowIndex: number, j: number) => number {
  if (!rng) return () => 1;
  const factor = dropoutFactors(rng, { p, site });
  return (rowIndex, j) => factor(rowIndex * T + j);
}

function logSumExp(scores: Float64Array): number {
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = scores.reduce((sum, s) => sum + Math.exp(s - largest), 0);
  return largest + Math.log(sum);
}
