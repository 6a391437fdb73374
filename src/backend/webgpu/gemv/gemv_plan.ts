/**
 * How a product of few rows is spread over the threads of a device.
 *
 * Memory answers late: to keep it busy, a GPU needs as many bytes on their way
 * as it moves in that time (Little's law), 2 MB on an NVIDIA H200 with 3 TB/s
 * and 0.7 us. So there are many workgroups, whose threads share the depth, and
 * each thread asks for many vectors before it uses one.
 *
 * @module
 */

import type { GemmShape } from "../gemm/gemm_variant.ts";

/** Rows that are worth it; more are faster in tiles. */
export const MOST_GEMV_ROWS = 4;

/** Everything that the order of its sums follows from. */
export interface GemvPlan {
  /**
   * Columns of the result that a thread adds up together: four where vectors
   * of `b` can be read, else one.
   */
  readonly width: 1 | 4;
  /** Of all columns, the last one perhaps not whole. */
  readonly vectors: number;
  readonly threads: 64 | 256;
  /** Vectors of a workgroup, a power of 2 … */
  readonly columns: number;
  /** … and threads that share the depth of each, likewise. */
  readonly slices: number;
  /** The depth in steps of four, the last one perhaps not whole. */
  readonly units: number;
  /** Units of one thread that are read together … */
  readonly round: number;
  /** … so many times in a row … */
  readonly rounds: number;
  /** … before the last ones; of these the very last may be one too many. */
  readonly rest: number;
  readonly groups: number;
}

/** Workgroups from which on more would not keep more of a GPU busy. */
const MANY_GROUPS = 128;
/** Vectors of a workgroup, where there are enough workgroups then. */
const MOST_COLUMNS = 8;
/** Vectors of a row of `b` that are read together at least: 64 bytes. */
const FEWEST_BESIDE = 4;
/** Of one thread: sixteen vectors of `b`, and with more rows fewer. */
const MOST_UNITS = 4, MOST_UNITS_OF_ROWS = 2;

/**
 * The plan for a shape.
 *
 * @param options.paired Whether two vectors of a workgroup belong together.
 */
export function gemvPlan(
  { M, N, K, transB }: GemmShape,
  { paired = false } = {},
): GemvPlan {
  const width = (transB ? K : N) % 4 === 0 ? 4 : 1;
  const vectors = Math.ceil(N / width), units = Math.ceil(K / 4);
  const threads = units <= 16 ? 64 : 256;
  const fewest = !transB ? FEWEST_BESIDE : paired ? 2 : 1;
  let columns = MOST_COLUMNS;
  while (
    columns > fewest && Math.ceil(vectors / columns) < MANY_GROUPS &&
    threads / (columns / 2) <= units
  ) columns /= 2;
  const slices = threads / columns;
  const each = Math.ceil(units / slices);
  const most = M === 1 ? MOST_UNITS : MOST_UNITS_OF_ROWS;
  const round = Math.ceil(each / Math.ceil(each / most));
  const rounds = Math.ceil(each / round) - 1;
  return {
    ...{ width, vectors, threads, columns, slices, units, round, rounds },
    rest: each - rounds * round,
    groups: Math.ceil(vectors / columns),
  };
}
