/**
 * What the attention kernels share: square tiles of scores, four columns of
 * four or eight rows per thread.
 *
 * Of the threads of a workgroup, `y` counts groups of rows of the tile, `x`
 * groups of four columns, and later, with the same rows, vectors of the head.
 * Scores are computed anew in the backward kernels, so nothing of size T x T is
 * ever in memory. How a thread finds its part of the tiles is
 * attention_place.ts's, where heads lie attention_heads.ts's, and how factors
 * of the products get to the threads attention_products.ts's.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { f32, joined, lines } from "../shader/wgsl.ts";

/** Vectors of a head that one workgroup makes results for. */
const MOST_VECTORS = 16;
/** What scores of later positions are set to; exp gives 0. */
export const MASKED = "-1e30f";

/**
 * How the factors of products get to the threads:
 * - `direct`: each reads what it needs;
 * - `staged`: through workgroup memory;
 * - `tall`: so, for half as many threads with eight rows each, which read three
 *   vectors where the others read four, and need more registers;
 * - `kept`: of the gradient alone: scores are kept in memory between products,
 *   each of which is by squares of 8 x 8 per thread.
 */
export type AttentionFlow = "direct" | "staged" | "tall" | "kept";

/** How attention or its gradient is computed. */
export type AttentionChoice =
  | TileAttention
  | MatrixAttention
  | MatrixGradientTile;

/** In f32, tile by tile, each thread its part. */
export interface TileAttention {
  readonly flow: AttentionFlow;
  /**
   * Whether the gradient computes the slopes of scores twice, where there would
   * be memory to keep them.
   */
  readonly again?: boolean;
}

/** By a matrix unit: factors are rounded to two bytes, sums are f32. */
export interface MatrixAttention {
  readonly flow: "matrix";
  readonly unit: MatrixUnit;
  /** Rows of a workgroup. */
  readonly queries: number;
  /** Columns that are in workgroup memory at a time. */
  readonly keys: number;
}

/** The gradient by a matrix unit. */
export interface MatrixGradientTile {
  readonly flow: "matrixGradient";
  readonly unit: MatrixUnit;
  /** Keys of a subgroup, and later queries of one. */
  readonly rows: number;
  /** Queries that it goes through at a time. */
  readonly step: number;
}

/** The choice where a call can use no unit: another flow then. */
export function withoutUnit(
  choice: AttentionChoice,
  flow: AttentionFlow,
): TileAttention {
  return "unit" in choice ? { flow } : choice;
}

/** Sizes of a call, and how it is cut into workgroups. */
export interface AttentionShape extends AttentionAttrs {
  /** Vectors of a head, the last one padded with 0. */
  readonly D4: number;
  /** Whether rows of heads can be read as vectors. */
  readonly vector: boolean;
  readonly flow: AttentionFlow;
  /** Threads of a workgroup along a row of a tile. */
  readonly side: 8 | 16;
  /** Rows and columns of a tile of scores: four columns per thread. */
  readonly tile: number;
  /** Rows of a thread, and how many vectors of four those are. */
  readonly rows: 4 | 8;
  readonly quads: 1 | 2;
  readonly threads: number;
  /** Tiles of T. */
  readonly tiles: number;
  /** Parts of a head that different workgroups make results for. */
  readonly chunks: number;
  /** Vectors of one chunk, and how many of them each thread has. */
  readonly chunkVectors: number;
  readonly perThread: number;
  /**
   * Vectors of a head that neighbouring threads have. Where that is less than
   * `side`, as heads are short, the threads of a row are in so many parts, and
   * each part adds up some of the keys.
   */
  readonly wide: number;
  readonly parts: number;
}

/** Fixes how a call is cut. */
export function attentionShape(
  attrs: AttentionAttrs,
  flow: AttentionFlow,
): AttentionShape {
  const D4 = Math.ceil(attrs.D / 4);
  const isStaged = flow !== "direct";
  const side = isStaged ? 16 : 8;
  const tile = 4 * side;
  const rows = flow === "tall" ? 8 : 4;
  const chunks = Math.ceil(D4 / MOST_VECTORS);
  const chunkVectors = Math.ceil(D4 / chunks);
  const wide = isStaged
    ? [4, 8].find((vectors) => chunkVectors <= vectors) ?? side
    : side;
  return {
    ...attrs,
    D4,
    vector: attrs.D % 4 === 0,
    ...{ flow, side, tile, rows, quads: rows === 8 ? 2 : 1 },
    threads: side * tile / rows,
    tiles: Math.ceil(attrs.T / tile),
    chunks,
    chunkVectors,
    perThread: Math.ceil(chunkVectors / side),
    ...{ wide, parts: side / wide },
  };
}

/**
 * WGSL: dropout factors `f0` … of the rows of a thread, vectors along columns.
 *
 * One block of random words is for four neighbours in memory: a tile of 4 x 4
 * takes four blocks, where no row begins in the middle of one.
 */
export function dropoutTile(
  { T, quads }: Pick<AttentionShape, "T" | "quads">,
  { first, neighbours }: {
    /** Number of the first element of the tile. */
    first: string;
    /** What is next to each other in memory; the others are T apart. */
    neighbours: "rows" | "columns";
  },
): string {
  const alongColumns = neighbours === "columns";
  const toNextQuad = 4 * (alongColumns ? T : 1);
  return lines(quads, (quad) => {
    const f = (r: number) => `f${4 * quad + r}`;
    const start = `${first} + ${quad * toNextQuad}u`;
    const block = (i: number) => dropoutVector({ T }, `${start} + ${i * T}u`);
    if (alongColumns) return lines(4, (r) => `    let ${f(r)} = ${block(r)};`);
    const column = (c: number) => `column${quad}_${c}`;
    return lines(4, (c) => `    let ${column(c)} = ${block(c)};`) + "\n" +
      lines(
        4,
        (r) =>
          `    let ${f(r)} = vec4<f32>(${
            joined(4, ", ", (c) => `${column(c)}[${r}]`)
          });`,
      );
  });
}

/** WGSL: dropout factors of the four elements from number `first` on. */
export function dropoutVector({ T }: { T: number }, first: string): string {
  return T % 4 === 0
    ? `dropout4((${first}) / 4u)`
    : `vec4<f32>(${joined(4, ", ", (c) => `dropout1(${first} + ${c}u)`)})`;
}

/**
 * WGSL: whether a thread of a kernel has anything to do with the columns of a
 * tile from number `first` to number `last` of the sequence, or all of them
 * are masked; numbers are f32 zeros there, so nothing is lost by leaving them
 * out. Where `side` is "keys", rows are keys and columns queries.
 */
export function isSeen(
  { rows }: Pick<AttentionShape, "rows">,
  { side, first, last }: {
    side: "queries" | "keys";
    first: string;
    last: string;
  },
): string {
  return side === "keys" ? `${last} >= k` : `${first} <= q + ${rows - 1}u`;
}

/** Operations of `products` products of a triangle of scores with heads. */
export function attentionFlops(
  { B, H, T, D }: AttentionAttrs,
  products: number,
): number {
  return products * B * H * T * T * D;
}

/** 1 / sqrt(D) as a literal. */
export function scoreScale({ D }: { D: number }): string {
  return f32(1 / Math.sqrt(D));
}
