/**
 * Finds out which variants multiply the shapes of a program fastest.
 *
 * The shape with most work is computed by every candidate; the best few of
 * those by the others, from most work to least, as long as there is time.
 * What is left takes the fastest that has enough tiles for it.
 *
 * Nobody knows beforehand how long a driver compiles and how slow a device is:
 * nothing is begun that, going by the slowest so far, would end too late.
 *
 * @module
 */

import type { Program } from "../../graph/program.ts";
import { chooseSplit, ENOUGH_TILES, shapeKey } from "./gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "./gemm_variant.ts";
import { MOST_GEMV_ROWS } from "./gemv.ts";

/** Candidates that are tried on further shapes … */
const FINALISTS = 3;
/** … unless they take so many times as long as the best. */
const MOST_TIMES = 1.35;
/** Below this much work per phase, launching is what takes time. */
const LEAST_FLOPS = 1e6;
/** Larger products are timed by a part of this side … */
const MOST_SIDE = 4096;
/** … and less deep than they are: half a second at 60 GFLOP/s. */
const MOST_FLOPS = 3e10;

/** What trying out a variant tells. */
export interface GemmTrial {
  /** Milliseconds of one product, roughly. */
  readonly ms: number;
  /** Milliseconds that it would take to time it with care. */
  readonly timingMs: number;
}

/** What tuning works with; tests bring their own clock. */
export interface GemmTuning {
  /** Most work first; see {@linkcode programShapes}. */
  readonly shapes: readonly GemmShape[];
  /** The likeliest first: there may not be time for all. */
  readonly candidates: readonly GemmTile[];
  /** Null where the device has not the memory, or cannot compile it. */
  tryOut(shape: GemmShape, variant: GemmVariant): Promise<GemmTrial | null>;
  /** Milliseconds of each variant, with care; null as above. */
  time(
    shape: GemmShape,
    variants: readonly GemmVariant[],
  ): Promise<number[] | null>;
  /** All of it takes that long, or as long as the first candidate. */
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
  { shapes, candidates, tryOut, time, limitMs, now }: GemmTuning,
): Promise<Map<string, GemmVariant>> {
  const end = now() + limitMs;
  const chosen = new Map<string, GemmVariant>();
  let ranked: GemmTile[] | null = null;
  let longestMs = 0;
  /** What `work` gives, unless it is likely to last for too long. */
  const inTime = async <T>(count: number, work: () => Promise<T>) => {
    const start = now();
    if (longestMs > 0 && start + count * longestMs > end) return null;
    const result = await work();
    longestMs = Math.max(longestMs, (now() - start) / count);
    return result;
  };
  for (const shape of shapes) {
    const { M, N, K } = shape;
    if (2 * M * N * K < LEAST_FLOPS) continue;
    const variants = (ranked ?? candidates).map((tile): GemmVariant => ({
      ...tile,
      splitK: chooseSplit(shape, tile),
    }));
    const part = partOf(shape);
    if (ranked) {
      const times = await inTime(variants.length, () => time(part, variants));
      chosen.set(
        shapeKey(shape),
        times ? variants[orderOf(times)[0]] : withEnoughTiles(shape, variants),
      );
      continue;
    }
    const tried: GemmVariant[] = [], trials: GemmTrial[] = [];
    for (const variant of variants) {
      const trial = await inTime(1, () => tryOut(part, variant));
      if (!trial) continue;
      tried.push(variant);
      trials.push(trial);
    }
    if (tried.length === 0) continue;
    const timingMs = trials.reduce((sum, trial) => sum + trial.timingMs, 0);
    const times = now() + timingMs <= end && await time(part, tried) ||
      trials.map(({ ms }) => ms);
    const order = orderOf(times), best = times[order[0]];
    chosen.set(shapeKey(shape), tried[order[0]]);
    if (tried.length === 1) break; // which says nothing of the others
    ranked = order.filter((i) => times[i] <= MOST_TIMES * best)
      .slice(0, FINALISTS).map((i) => tried[i]);
  }
  return chosen;
}

/** What a shape is timed by. */
function partOf({ M, N, K, ...layout }: GemmShape): GemmShape {
  const part = (n: number) => Math.min(n, MOST_SIDE);
  const rows = part(M), columns = part(N);
  const depth = Math.floor(MOST_FLOPS / (2 * rows * columns) / 4) * 4;
  return { M: rows, N: columns, K: Math.min(part(K), depth), ...layout };
}

/** Indices, from the smallest number to the largest. */
function orderOf(times: readonly number[]): number[] {
  return [...times.keys()].sort((a, b) => times[a] - times[b]);
}

/** The first with tiles for all cores of a device; the smallest if none has. */
function withEnoughTiles(
  { M, N }: GemmShape,
  variants: readonly GemmVariant[],
): GemmVariant {
  const enough = variants.find(({ tileM, tileN }) =>
    Math.ceil(M / tileM) * Math.ceil(N / tileN) >= ENOUGH_TILES
  );
  const size = ({ tileM, tileN }: GemmVariant) => tileM * tileN;
  return enough ?? variants.reduce((a, b) => size(b) < size(a) ? b : a);
}
