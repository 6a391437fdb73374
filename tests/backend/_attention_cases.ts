/**
 * Attention in training and over a cache: grouped heads, dropout, lengths that
 * are no multiple of a tile.
 *
 * @module
 */

import type { AttentionAttrs } from "../../src/graph/ops.ts";
import {
  compute,
  describe,
  empty,
  normal,
  opCase,
  rngWords,
  u32,
} from "./_op_inputs.ts";
import type { OpCase } from "./_run_op_case.ts";
import { type Allowed, SHORT_SUM } from "./_tolerances.ts";

/** Cases for all executors; part of the table in _op_cases.ts. */
export function attentionCases(): OpCase[] {
  return [...attention(), ...attentionCached()];
}

function attention(): OpCase[] {
  return attentionCasesOf([
    { B: 1, T: 1, H: 1, Hkv: 1, D: 1, p: 0 },
    { B: 2, T: 1, H: 3, Hkv: 1, D: 5, p: 0 },
    { B: 1, T: 37, H: 2, Hkv: 2, D: 5, p: 0 },
    { B: 3, T: 17, H: 4, Hkv: 2, D: 8, p: 0 },
    { B: 2, T: 37, H: 4, Hkv: 1, D: 64, p: 0 },
    { B: 1, T: 130, H: 2, Hkv: 1, D: 16, p: 0 },
    { B: 1, T: 13, H: 6, Hkv: 3, D: 7, p: 0.25 },
    { B: 2, T: 65, H: 2, Hkv: 1, D: 12, p: 0.1 },
    { B: 1, T: 70, H: 2, Hkv: 1, D: 32, p: 0.1 },
    // Whole tiles, of heads that are cut in two.
    { B: 1, T: 128, H: 2, Hkv: 1, D: 80, p: 0.1 },
    { B: 1, T: 21, H: 2, Hkv: 2, D: 4, p: 0, score: 30 },
  ]);
}

/** Attention and its gradient, with scores of about size `score`. */
export function attentionCasesOf(
  sizes: readonly (Omit<AttentionAttrs, "site"> & { score?: number })[],
): OpCase[] {
  return sizes.flatMap(({ score = 1, ...size }) => {
    const attrs = { ...size, site: 5 };
    const { B, T, H, Hkv, D, p } = attrs;
    const title = describe(size) + (score > 1 ? " large scores" : "");
    // Scores of size s^2 for queries and keys of size s.
    const scale = Math.sqrt(score);
    const qkv = normal(1, [B * T, (H + 2 * Hkv) * D], { scale });
    const random = p > 0 ? { rng: rngWords() } : {};
    const dOut = normal(2, [B * T, H * D]);
    const out = { out: empty([B * T, H * D]), lse: empty([B, H, T]) };
    compute("attention", { in: { qkv, ...random }, out, attrs });
    const allowed: Allowed = {
      tolerance: 2e-5 * score,
      reason: "f32 dot products; exp turns an error of a score into a factor",
    };
    return [
      opCase("attention", title, {
        in: { qkv, ...random },
        out: { out: out.out.shape, lse: out.lse.shape },
        attrs,
        ...allowed,
      }),
      opCase("attentionBackward", title, {
        in: { dOut, qkv, ...out, ...random },
        out: { dQkv: qkv.shape },
        attrs,
        ...allowed,
      }),
    ];
  });
}

function attentionCached(): OpCase[] {
  const sizes = [
    { position: 0, T: 1, S: 1, H: 1, Hkv: 1, D: 1 },
    { position: 36, T: 1, S: 37, H: 4, Hkv: 2, D: 5 },
    { position: 3, T: 5, S: 16, H: 3, Hkv: 3, D: 8 },
    { position: 0, T: 17, S: 64, H: 4, Hkv: 1, D: 64 },
    { position: 100, T: 2, S: 130, H: 6, Hkv: 2, D: 7 },
    // Rows that lie across tiles of queries and of keys.
    { position: 90, T: 70, S: 200, H: 2, Hkv: 1, D: 32 },
    { position: 1, T: 40, S: 41, H: 3, Hkv: 1, D: 6 },
    // One row, and keys in one part, in many, and in several turns of many.
    { position: 299, T: 1, S: 300, H: 2, Hkv: 1, D: 16 },
    { position: 0, T: 1, S: 700, H: 3, Hkv: 1, D: 64 },
    { position: 64, T: 1, S: 700, H: 3, Hkv: 1, D: 64 },
    { position: 699, T: 1, S: 700, H: 5, Hkv: 2, D: 80 },
    { position: 350, T: 1, S: 400, H: 2, Hkv: 2, D: 262 },
    { position: 2000, T: 1, S: 2100, H: 32, Hkv: 8, D: 4 },
    { position: 1500, T: 1, S: 2100, H: 3, Hkv: 3, D: 5 },
  ];
  return sizes.map(({ position, ...attrs }) => {
    const { T, S, H, Hkv, D } = attrs;
    // Rows that are not written yet hold NaN: nobody may read them.
    const cache = (seed: number) => {
      const rows = normal(seed, [S, Hkv * D]);
      rows.data.fill(NaN, position * Hkv * D);
      return rows;
    };
    return opCase("attentionCached", `${describe(attrs)} at ${position}`, {
      in: {
        qkv: normal(1, [T, (H + 2 * Hkv) * D]),
        kCache: cache(2),
        vCache: cache(3),
        position: u32(position),
      },
      out: { out: [T, H * D], kCache: [S, Hkv * D], vCache: [S, Hkv * D] },
      attrs,
      ...SHORT_SUM,
    });
  });
}
