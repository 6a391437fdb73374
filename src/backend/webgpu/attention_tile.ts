/**
 * What the attention kernels share: square tiles of scores, 4 x 4 per thread.
 *
 * The threads of a workgroup are a square: `y` counts groups of four rows of
 * the tile, `x` groups of four columns, and later, with the same rows, vectors
 * of the head. Scores are computed anew in the backward kernels, so nothing of
 * size T x T is ever in memory. How a thread finds its part of the tiles is
 * attention_place.ts's, where heads lie attention_heads.ts's, and how factors
 * of the products get to the threads attention_products.ts's.
 *
 * @module
 */

import type { AttentionAttrs } from "../../graph/ops.ts";
import { f32, joined, lines } from "./wgsl.ts";

/** Vectors of a head that one workgroup makes results for. */
const MOST_VECTORS = 16;
/** What scores of later positions are set to; exp gives 0. */
export const MASKED = "-1e30f";

/** How the factors of products get to the threads. */
export type AttentionFlow = "direct" | "staged";

/** How attention or its gradient is computed. */
export interface AttentionChoice {
  readonly flow: AttentionFlow;
  /**
   * Whether the gradient computes the slopes of scores twice, where there would
   * be memory to keep them.
   */
  readonly again?: boolean;
}

/** Sizes of a call, and how it is cut into workgroups. */
export interface AttentionShape extends AttentionAttrs {
  /** Vectors of a head, the last one padded with 0. */
  readonly D4: number;
  /** Whether rows of heads can be read as vectors. */
  readonly vector: boolean;
  readonly flow: AttentionFlow;
  /** Threads of a workgroup along each side of a tile. */
  readonly side: 8 | 16;
  /** Rows and columns of a tile of scores: four per thread. */
  readonly tile: number;
  readonly threads: 64 | 256;
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
  const side = flow === "staged" ? 16 : 8;
  const tile = 4 * side;
  const chunks = Math.ceil(D4 / MOST_VECTORS);
  const chunkVectors = Math.ceil(D4 / chunks);
  const wide = flow === "staged"
    ? [4, 8].find((vectors) => chunkVectors <= vectors) ?? side
    : side;
  return {
    ...attrs,
    D4,
    vector: attrs.D % 4 === 0,
    ...{ flow, side, tile },
    threads: flow === "staged" ? 256 : 64,
    tiles: Math.ceil(attrs.T / tile),
    chunks,
    chunkVectors,
    perThread: Math.ceil(chunkVectors / side),
    ...{ wide, parts: side / wide },
  };
}

/**
 * WGSL: dropout factors `f0` … `f3` of four rows, vectors along columns.
 *
 * One block of random words is for four neighbours in memory: a tile of 4 x 4
 * takes four blocks, where no row begins in the middle of one.
 */
export function dropoutTile(
  { T }: { T: number },
  { first, neighbours }: {
    /** Number of the first element of the tile. */
    first: string;
    /** What is next to each other in memory; the others are T apart. */
    neighbours: "rows" | "columns";
  },
): string {
  const alongColumns = neighbours === "columns";
  if (T % 4 !== 0) {
    return lines(4, (r) => {
      const factors = joined(4, ", ", (c) => {
        const [apart, next] = alongColumns ? [r, c] : [c, r];
        return `dropout1(${first} + ${apart * T + next}u)`;
      });
      return `    let f${r} = vec4<f32>(${factors});`;
    });
  }
  const block = (i: number) => `dropout4((${first}) / 4u + ${i * T / 4}u)`;
  if (alongColumns) return lines(4, (r) => `    let f${r} = ${block(r)};`);
  return lines(4, (c) => `    let column${c} = ${block(c)};`) + "\n" +
    lines(
      4,
      (r) =>
        `    let f${r} = vec4<f32>(${
          joined(4, ", ", (c) => `column${c}[${r}]`)
        });`,
    );
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
