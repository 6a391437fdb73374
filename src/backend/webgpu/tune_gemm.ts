/**
 * Finds out which variants multiply the shapes of a program fastest.
 *
 * The shape with most work is computed by every candidate; the best few of
 * those by the others, from most work to least, as long as there is time.
 * What is left takes the fastest that has enough tiles for it.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import type { Program } from "../../graph/program.ts";
import type { GemmShape, GemmTile, GemmVariant } from "./gemm.ts";
import { chooseSplit, ENOUGH_TILES, shapeKey } from "./gemm_choice.ts";
import { MOST_GEMV_ROWS } from "./gemv.ts";

/** Candidates that are tried on further shapes … */
const FINALISTS = 3;
/** … unless they take so many times as long as the best. */
const MOST_TIMES = 1.35;
/** Below this much work per phase, launching is what takes time. */
const LEAST_FLOPS = 1e6;
/** Larger products are timed by a part of this side. */
const MOST_SIDE = 4096;

/** What tuning works with; tests bring their own clock. */
export interface GemmTuning {
  /** Most work first; see {@linkcode programShapes}. */
  readonly shapes: readonly GemmShape[];
  readonly candidates: readonly GemmTile[];
  /** Milliseconds of each variant. @throws {UserError} Without the memory. */
  time(shape: GemmShape, variants: readonly GemmVariant[]): Promise<number[]>;
  /** Nothing more is timed after that. */
  readonly limitMs: number;
  readonly now: () => number;
}

/** Shapes of the products of many rows, most work first. */
export function programShapes({ phases }: Program): GemmShape[] {
  const work = new Map<string, { shape: GemmShape; flops: number }>();
  for (const call of Object.values(phases).flat()) {
    if (call.op !== "matmul" || call.attrs.M <= MOST_GEMV_ROWS) continue;
    const { M, N, K, transA, transB } = call.attrs;
    const shape = { M, N, K, transA: transA === 1, transB: transB === 1 };
    const known = work.get(shapeKey(shape)) ?? { shape, flops: 0 };
    known.flops += 2 * M * N * K;
    work.set(shapeKey(shape), known);
  }
  return [...work.values()].toSorted((a, b) => b.flops - a.flops)
    .map(({ shape }) => shape);
}

/** The variants of shapes that timing made a difference to, by their key. */
export async function tuneGemm(
  { shapes, candidates, time, limitMs, now }: GemmTuning,
): Promise<Map<string, GemmVariant>> {
  const start = now();
  const chosen = new Map<string, GemmVariant>();
  let ranked: GemmTile[] | null = null;
  for (const shape of shapes) {
    const { M, N, K } = shape;
    if (2 * M * N * K < LEAST_FLOPS) continue;
    const variants = (ranked ?? candidates).map((tile): GemmVariant => ({
      ...tile,
      splitK: chooseSplit(shape, tile),
    }));
    if (ranked && now() - start > limitMs) {
      const enough = variants.find(({ tileM, tileN }) =>
        Math.ceil(M / tileM) * Math.ceil(N / tileN) >= ENOUGH_TILES
      );
      chosen.set(shapeKey(shape), enough ?? smallest(variants));
      continue;
    }
    const times = await timesOf(time, shape, variants);
    if (!times) continue;
    const order = [...times.keys()].sort((a, b) => times[a] - times[b]);
    chosen.set(shapeKey(shape), variants[order[0]]);
    ranked ??= order
      .filter((i) => times[i] <= MOST_TIMES * times[order[0]])
      .slice(0, FINALISTS).map((i) => candidates[i]);
  }
  return chosen;
}

/** Null where there is not the memory to time it. */
async function timesOf(
  time: GemmTuning["time"],
  { M, N, K, ...layout }: GemmShape,
  variants: readonly GemmVariant[],
): Promise<number[] | null> {
  const part = (n: number) => Math.min(n, MOST_SIDE);
  const shape = { M: part(M), N: part(N), K: part(K), ...layout };
  try {
    return await time(shape, variants);
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

function smallest(variants: readonly GemmVariant[]): GemmVariant {
  const size = ({ tileM, tileN }: GemmVariant) => tileM * tileN;
  return variants.reduce((a, b) => size(b) < size(a) ? b : a);
}
