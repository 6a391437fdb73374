/**
 * How well the tiles of a product fill a large device, and into how many parts
 * k is split for that.
 *
 * WebGPU does not say how many cores a device has, so they are counted for
 * NVIDIA's H100 and H200; on others a count is as good as another. Times are
 * in multiplications of one core, one after the other.
 *
 * @module
 */

import { matrixSums, ON_UNITS } from "./matrix_waves.ts";
import { CORES } from "./cores.ts";
import { gemmThreads } from "../gemm/gemm_kernel.ts";
import type { GemmShape, GemmTile } from "../gemm/gemm_variant.ts";

/** Threads that give work to all parts of a core: 32 to each of four. */
const CORE_THREADS = 128;
/**
 * Sums that a core needs at once lest it waits for memory: 1.7 times 64 for
 * each of those threads. Counted, with 600 cycles of latency, not measured.
 */
const ENOUGH_SUMS = 1.7 * 64 * CORE_THREADS;
/** Depth of k that takes as long as the start and the end of a workgroup. */
const START_DEPTH = 16;
/**
 * Multiplications of all cores while a number of a part is written and read:
 * 20e12 a second against 3.2 TB, both measured on an H200.
 */
const PART_DEPTH = 50;
/** Those while another dispatch begins, 2.5 us. */
const DISPATCH_WORK = 5e7;

/** More parts, which take memory, are to save as much. */
const LEAST_GAIN = 0.03;

/** Most parts that k is split into: more cost more to add up. */
export const MOST_SPLITS = 32;

/**
 * The parts of k that take least time: some leave no core idle at the end,
 * each costs memory traffic. A pure function of the shape and the tile.
 */
export function splitByWaves(shape: GemmShape, tile: GemmTile): number {
  const deep = Math.floor(shape.K / leastDepth(tile));
  let best = 1;
  for (let parts = 2; parts <= Math.min(deep, MOST_SPLITS); parts++) {
    const gain = 1 - coreWork(shape, tile, parts) / coreWork(shape, tile, best);
    if (gain > LEAST_GAIN) best = parts;
  }
  return best;
}

/** Of a part of k: eight tiles, or what a start on units costs twice. */
function leastDepth({ tileK, flow }: GemmTile): number {
  return Math.max(8 * tileK, flow === "matrix" ? 256 : 0);
}

/**
 * Time of a product by a tile, at best, over that of its multiplications: to
 * compare tiles of one flow.
 */
export function waste(shape: GemmShape, tile: GemmTile): number {
  const { M, N, K } = shape;
  const work = coreWork(shape, tile, splitByWaves(shape, tile));
  return work * CORES / (M * N * K);
}

/**
 * What the busiest core does, and what is done for parts of k: multiplications
 * of one core, of which an H200's makes 0.16e12 a second, its matrix units 1e12.
 */
export function coreWork(
  shape: GemmShape,
  tile: GemmTile,
  parts: number,
): number {
  const { M, N, K } = shape;
  const { tileM, tileN, tileK } = tile;
  const groups = Math.ceil(M / tileM) * Math.ceil(N / tileN) * parts;
  const depth = Math.ceil(K / parts / tileK) * tileK;
  if (tile.flow === "matrix") {
    const { startDepth, partDepth, dispatchWork } = ON_UNITS;
    return matrixSums(tile, groups) * (depth + startDepth) +
      forParts({ M, N, parts, partDepth, dispatchWork });
  }
  // Small workgroups share a core, each has some of its parts.
  const atOnce = Math.max(1, Math.floor(CORE_THREADS / gemmThreads(tile)));
  const sums = Math.ceil(groups / (CORES * atOnce)) * atOnce * tileM * tileN;
  return Math.max(sums, ENOUGH_SUMS) * (depth + START_DEPTH) +
    forParts({
      ...{ M, N, parts, partDepth: PART_DEPTH, dispatchWork: DISPATCH_WORK },
    });
}

/** What adding up parts takes of each core. */
function forParts({ M, N, parts, partDepth, dispatchWork }: {
  M: number;
  N: number;
  parts: number;
  partDepth: number;
  dispatchWork: number;
}): number {
  if (parts === 1) return 0;
  return (parts * partDepth * M * N + dispatchWork) / CORES;
}
