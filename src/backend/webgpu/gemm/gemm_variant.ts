/**
 * What a matrix product is, and all that its order of sums follows from.
 *
 * @module
 */

import type { Ops } from "../../../graph/ops.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { Lanes } from "../shader/lanes.ts";

/** The sizes and layouts of a product, as in graph/ops.ts. */
export interface GemmShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA: boolean;
  readonly transB: boolean;
  /**
   * In words, what is done at once with it: what its columns are summed for,
   * and what its results go through. Which variant is best depends on it.
   */
  readonly neighbours?: string;
}

/** The shape of a product. */
export function shapeOf(
  { M, N, K, transA, transB }: Ops<unknown>["matmul"]["attrs"],
  neighbours?: string,
): GemmShape {
  return {
    ...{ M, N, K, transA: transA === 1, transB: transB === 1 },
    ...neighbours && { neighbours },
  };
}

/** How a product is computed, but for the parts of k. */
export type GemmTile = ThreadTile | MatrixTile;

/** What of a result a workgroup makes at a time, and how deep. */
interface TileSizes {
  readonly tileM: number;
  readonly tileN: number;
  readonly tileK: number;
}

/** A tile of which each thread multiplies a part by itself. */
export interface ThreadTile extends TileSizes {
  /** Rows and columns of one thread: multiples of 4. */
  readonly threadM: number;
  readonly threadN: number;
  /**
   * How factors get to the threads:
   * - `direct`: each reads what it needs, `tileK` being 4;
   * - `staged`: through tiles in workgroup memory;
   * - `ahead`: so, and the next tiles are read while these are used.
   */
  readonly flow: "direct" | "staged" | "ahead";
  /**
   * Which squares of the tile neighbouring threads have: those of a `row`, or
   * 32 at a time a `block` of 4 x 8, which reads less of the factors.
   */
  readonly lanes: Lanes;
}

/**
 * A tile of which each subgroup multiplies a part on a matrix unit: factors
 * are rounded to two bytes, sums are f32.
 */
export interface MatrixTile extends TileSizes {
  readonly flow: "matrix";
  /** Rows and columns of one subgroup: multiples of the unit's. */
  readonly subgroupM: number;
  readonly subgroupN: number;
  readonly unit: MatrixUnit;
}

/** How a product is computed: everything that its order of sums follows from. */
export type GemmVariant = GemmTile & {
  /** Parts of k that are summed apart and added in order. */
  readonly splitK: number;
  /** Whether its neighbours stay kernels of their own. */
  readonly apart?: boolean;
};
