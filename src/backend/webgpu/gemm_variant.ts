/**
 * What a matrix product is, and all that its order of sums follows from.
 *
 * @module
 */

/** The sizes and layouts of a product, as in graph/ops.ts. */
export interface GemmShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** How a product is computed, but for the parts of k. */
export interface GemmTile {
  /** Rows, columns and depth of what a workgroup holds at a time. */
  readonly tileM: number;
  readonly tileN: number;
  readonly tileK: number;
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
  readonly lanes: "row" | "block";
}

/** How a product is computed: everything that its order of sums follows from. */
export interface GemmVariant extends GemmTile {
  /** Parts of k that are summed apart and added in order. */
  readonly splitK: number;
}
