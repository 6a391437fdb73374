/**
 * How workgroups on matrix units fill the cores of a large device: how many a
 * core has at once, and in what time it makes them.
 *
 * By counts and by what an NVIDIA H200 (driver 580) took, where it says so.
 *
 * @module
 */

import { CORES } from "./cores.ts";
import type { MatrixTile } from "../gemm/gemm_variant.ts";
import {
  matrixThreads,
  matrixWorkgroupBytes,
} from "../gemm_matrix/gemm_matrix.ts";

/**
 * What the workgroups of a core share. There is more memory for them, 227 KB,
 * but NVIDIA's driver leaves most of it to the cache: measured on an H200, up to
 * 16 KB run three at once, 20 or 24 KB two, from 28 KB one.
 */
const REGISTERS = 65536, MOST_REGISTERS = 255, MEMORY_BYTES = 56 << 10;

/** Times of matrix units, in their multiplications: those of one core … */
export const ON_UNITS = {
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
  /**
   * While a number of a part is written and read, of 125e12 a second; parts
   * come from the cache in part.
   */
  partDepth: 200,
  /** While another dispatch begins, 2.5 us. */
  dispatchWork: 3e8,
  /** Registers of a thread beside sums, units and tiles on the way. */
  otherRegisters: 40,
};

/**
 * The sums of the busiest core, each as many as it could have made meanwhile:
 * in waves of as many workgroups as it holds, of which the last has the rest.
 */
export function matrixSums(tile: MatrixTile, groups: number): number {
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

/** Workgroups that a core has registers and workgroup memory for. */
function matrixGroupsPerCore(tile: MatrixTile): number {
  const { tileM, tileN, tileK, subgroupM, subgroupN, unit } = tile;
  const threads = matrixThreads(tile);
  const sums = subgroupM * subgroupN / unit.lanes;
  const units = (subgroupM + unit.N) * unit.K / 2 / unit.lanes;
  const next = (tileM + tileN) * tileK / 2 / threads;
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
