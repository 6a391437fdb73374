/**
 * What the attention kernels share: tiles of 32 x 32 scores, 4 x 4 per thread,
 * and the way to the numbers of a head in packed rows.
 *
 * A workgroup of 64 threads is 8 x 8: `y` counts groups of four rows of the
 * tile, `x` groups of four columns, and later, with the same rows, vectors of
 * the head. Scores are computed anew in the backward kernels, so nothing of
 * size T x T is ever in memory.
 *
 * @module
 */

import type { AttentionAttrs } from "../../graph/ops.ts";
import { f32, lines } from "./wgsl.ts";

/** Rows and columns of a tile of scores. */
export const TILE = 32;
/** Threads of a workgroup: a tile in squares of 4 x 4. */
export const TILE_THREADS = 64;
/** Vectors of a head that one workgroup makes results for. */
const MOST_VECTORS = 16;
/** What scores of later positions are set to; exp gives 0. */
export const MASKED = "-1e30f";

/** Sizes of a call, and how it is cut into workgroups. */
export interface AttentionShape extends AttentionAttrs {
  /** Vectors of a head, the last one padded with 0. */
  readonly D4: number;
  /** Whether rows of heads can be read as vectors. */
  readonly vector: boolean;
  /** Tiles of T. */
  readonly tiles: number;
  /** Parts of a head that different workgroups make results for. */
  readonly chunks: number;
  /** Vectors of one chunk, and how many of them each thread has. */
  readonly chunkVectors: number;
  readonly perThread: number;
}

/** Fixes how a call is cut. */
export function attentionShape(attrs: AttentionAttrs): AttentionShape {
  const D4 = Math.ceil(attrs.D / 4);
  const chunks = Math.ceil(D4 / MOST_VECTORS);
  const chunkVectors = Math.ceil(D4 / chunks);
  return {
    ...attrs,
    D4,
    vector: attrs.D % 4 === 0,
    tiles: Math.ceil(attrs.T / TILE),
    chunks,
    chunkVectors,
    perThread: Math.ceil(chunkVectors / 8),
  };
}

/**
 * WGSL: `load_<array>(start, d4)`, vector d4 of the head that begins at number
 * `start`, with 0 behind its end.
 */
export function headLoader(
  array: string,
  { D, vector }: { D: number; vector: boolean },
): string {
  if (vector) {
    return `
fn load_${array}(start: u32, d4: u32) -> vec4<f32> {
  return ${array}[start / 4u + d4];
}
`;
  }
  return `
fn load_${array}(start: u32, d4: u32) -> vec4<f32> {
  var v = vec4<f32>();
${
    lines(4, (j) =>
      `  if (4u * d4 + ${j}u < ${D}u) { v[${j}] = ${array}[start + 4u * d4 + ${j}u]; }`)
  }
  return v;
}
`;
}

/** WGSL statement: writes `value` to vector `d4` of the head at `start`. */
export function storeHead(
  array: string,
  { start, d4, value, shape: { D, vector } }: {
    start: string;
    d4: string;
    value: string;
    shape: AttentionShape;
  },
): string {
  if (vector) return `${array}[(${start}) / 4u + ${d4}] = ${value};`;
  return lines(4, (j) =>
    `if (4u * ${d4} + ${j}u < ${D}u) { ` +
    `${array}[${start} + 4u * ${d4} + ${j}u] = ${value}[${j}]; }`);
}

/**
 * WGSL: adds to `name0` … `name3` the products of four row heads of one array
 * with four column heads of another; the variables hold the starts.
 */
export function tileProducts(
  { name, rows, columns, D4 }: {
    /** Accumulators, vectors along the columns. */
    name: string;
    rows: { array: string; starts: string };
    columns: { array: string; starts: string };
    D4: number;
  },
): string {
  const unroll = D4 % 2 === 0 ? 2 : 1;
  return `
    for (var d4 = 0u; d4 < ${D4}u; d4 += ${unroll}u) {
${
    lines(unroll, (u) =>
      `{
${
        lines(4, (r) =>
          `      let r${r} = load_${rows.array}(${rows.starts}${r}, d4 + ${u}u);
      let c${r} = load_${columns.array}(${columns.starts}${r}, d4 + ${u}u);`)
      }
${
        lines(4, (r) =>
          `      ${name}${r} += vec4<f32>(${
            [0, 1, 2, 3].map((c) => `dot(r${r}, c${c})`).join(", ")
          });`)
      }
      }`)
  }
    }`;
}

/** WGSL: dropout factors `f0` … `f3` of four rows, vectors along columns. */
export function dropoutTile(
  { T }: { T: number },
  { element, across }: {
    /** Number of the element at row r of the rows, column 0 of the columns. */
    element: (r: number) => string;
    /** How far the next column is: 1, or T when columns are queries. */
    across: number;
  },
): string {
  return lines(4, (r) => {
    if (across === 1 && T % 4 === 0) {
      return `    let f${r} = dropout4((${element(r)}) / 4u);`;
    }
    const factors = [0, 1, 2, 3].map((c) =>
      `dropout1(${element(r)} + ${c * across}u)`
    );
    return `    let f${r} = vec4<f32>(${factors.join(", ")});`;
  });
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

/** Where the heads of a row of qkv begin, and how long a row is. */
export function packed({ H, Hkv, D }: AttentionAttrs) {
  return {
    width: (H + 2 * Hkv) * D,
    /** Number in the row of query head `h`. */
    query: (h: string) => `${h} * ${D}u`,
    key: (hkv: string) => `${H * D}u + ${hkv} * ${D}u`,
    value: (hkv: string) => `${(H + Hkv) * D}u + ${hkv} * ${D}u`,
  };
}
