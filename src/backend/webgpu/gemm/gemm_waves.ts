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

import { CORES } from "./cores.ts";
import { gemmThreads } from "./gemm_kernel.ts";
import { matrixThreads, matrixWorkgroupBytes } from "./gemm_matrix.ts";
import type { GemmShape, GemmTile, MatrixTile } from "./gemm_variant.ts";

/**
 * What the workgroups of a core share. There is more memory for them, 227 KB,
 * but drivers leave most of it to the cache: on an H200, tiles of 20 to 38 KB
 * took as long as if a core had one or two of them, where registers would do
 * for twice as many.
 */
const REGISTERS = 65536, MOST_REGISTERS = 255, MEMORY_BYTES = 56 << 10;
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

/** Times of matrix units, in their multiplications: those of one core … */
const ON_UNITS = {
  /** … of fewer subgroups than this at once, as it waits in between … */
  enoughSubgroups: 8,
  /** … take longer. 384 x 16384 results of 64 x 64 tell, on an H200. */
  fewerTake: 1.5,
  /**
   * For a row or column of a tile: what 2 bytes of it take from the cache, at
   * 4.9 TB/s of 32 x 32 on an H200.
   */
  fetch: 51,
  /** What a lone workgroup waits at a tile: 7 % of 256x128x32, as measured. */
  barrierWork: 73e3,
  /** Bytes of results alone take as long as 80 deep of products. */
  startDepth: 100,
  /** As above, of 125e12 a second; parts come from the cache in part. */
  partDepth: 200,
  dispatchWork: 3e8,
  /** Registers of a thread beside sums, units and tiles on the way. */
  otherRegisters: 40,
};

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

/**
 * The sums of the busiest core, each as many as it could have made meanwhile:
 * in waves of as many workgroups as it holds, of which the last has the rest.
 */
function matrixSums(tile: MatrixTile, groups: number): number {
  const { tileM, tileN, tileK, subgroupM, subgroupN, unit } = tile;
  const { enoughSubgroups, fewerTake, fetch, barrierWork } = ON_UNITS;
  const subgroups = matrixThreads(tile) / unit.lanes;
  // Units are loaded once for each row or column of units of the other factor,
  // half as often by 64 x 64 as by 32 x 32; what is alone has none to take turns
  // with at barriers.
  const atOnce = matrixGroupsPerCore(tile);
  const loads = 0.9 + 3.2 * (1 / subgroupM + 1 / subgroupN);
  const waits = atOnce > 1 ? 1 : 1 + barrierWork / (tileM * tileN * tileK);
  const one = Math.max(tileM * tileN * loads, fetch * (tileM + tileN)) * waits;
  const wave = (count: number) =>
    count * one * (count * subgroups < enoughSubgroups ? fewerTake : 1);
  const full = Math.floor(groups / (CORES * atOnce));
  return full * wave(atOnce) + wave(Math.ceil(groups / CORES - full * atOnce));
}

/**
 * Whether a core has two workgroups on units at a time, and so many after them
 * that it is worth it to let one of the first two begin later.
 */
export function canBeLate(
  { M, N, K }: GemmShape,
  tile: GemmTile & { readonly splitK: number },
): boolean {
  if (tile.flow !== "matrix" || tile.splitK > 1) return false;
  const groups = Math.ceil(M / tile.tileM) * Math.ceil(N / tile.tileN);
  return matrixGroupsPerCore(tile) === 2 && groups >= 3 * 2 * CORES &&
    K <= MOST_LATE_DEPTH;
}

/** Of what is deeper, the end takes less than 5 %, by counts. */
const MOST_LATE_DEPTH = 1024;

/** Workgroups that a core has registers and workgroup memory for. */
export function matrixGroupsPerCore(tile: MatrixTile): number {
  const { tileM, tileN, tileK, subgroupM, subgroupN, reads, unit } = tile;
  const threads = matrixThreads(tile);
  const sums = subgroupM * subgroupN / unit.lanes;
  const units = (subgroupM + unit.N) * unit.K / 2 / unit.lanes;
  const next = (tileM + tileN) * tileK / 2 / threads *
    (reads === "far" ? 2 : 1);
  const registers = Math.min(
    MOST_REGISTERS,
    Math.ceil((sums + units + next + ON_UNITS.otherRegisters) / 8) * 8,
  );
  return Math.max(
    1,
    Math.min(
      Math.floor(REGISTERS / (registers * threads)),
      Math.floor(MEMORY_BYTES / (matrixWorkgroupBytes(tile) + 1024)),
    ),
  );
}
