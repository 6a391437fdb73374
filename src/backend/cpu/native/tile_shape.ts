/**
 * The tile of the result that a native kernel keeps in registers.
 *
 * @module
 */

import type { VectorWidth } from "./encoding.ts";

/** Sizes of a tile, and which registers hold it. */
export interface TileShape {
  readonly width: VectorWidth;
  /** f32 per vector register. */
  readonly lanes: number;
  /** Rows of a tile. */
  readonly mr: number;
  /** Columns of a tile: two vectors. */
  readonly nr: number;
}

/** What packed factors are: one f32, or two bf16 that are neighbors in k. */
export type Format = "f32" | "bf16";

/**
 * The shapes. AVX-512 has 32 registers: 14 x 2 accumulators, two vectors of B,
 * two for broadcasts of A in turn. AVX2 has 16: 6 x 2, two of B, two of A.
 */
export const TILE_SHAPE: Record<VectorWidth, TileShape> = {
  512: { width: 512, lanes: 16, mr: 14, nr: 32 },
  256: { width: 256, lanes: 8, mr: 6, nr: 16 },
};
