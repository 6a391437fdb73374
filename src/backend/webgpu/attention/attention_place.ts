/**
 * Which part of attention a workgroup and its threads have: the WGSL that a
 * kernel over tiles of queries or keys begins and ends with.
 *
 * @module
 */

import { groupIndex } from "../dispatch.ts";
import { lanePlace } from "../shader/lanes.ts";
import { lines } from "../shader/wgsl.ts";
import type { AttentionShape } from "./attention_tile.ts";

/** The workgroups of a dispatch, and WGSL by which each finds its part. */
export interface Place {
  readonly workgroups: number;
  /**
   * Declares `chunk` and `tile` of the workgroup, `x` and `y` of the thread,
   * the numbers `d0` … of its vectors of the head, and the row `first` at which
   * the sequence begins among all.
   */
  readonly code: string;
}

/**
 * A workgroup per tile of queries: also `fromQ`, the first of the tile, `q`,
 * the first of the thread, and its heads `h` and `hkv`. `work` counts the heads
 * of all sequences.
 *
 * @param ahead WGSL: how many keys come before the first query; then `row` is
 * the number of the thread's first query, and `q` its position among the keys.
 */
export function queryPlace(shape: AttentionShape, ahead?: string): Place {
  const { T, H, Hkv, tiles, tile, rows } = shape;
  return place(shape, {
    heads: H,
    tile: `${tiles - 1}u - work % ${tiles}u; // the longest first`,
    code: `
  let h = work % ${H}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let first = work / ${H}u * ${T}u;
  let fromQ = tile * ${tile}u;
${
      ahead === undefined
        ? `  let q = fromQ + ${rows}u * y;`
        : `  let row = fromQ + ${rows}u * y;
  let q = ${ahead} + row;`
    }`,
  });
}

/**
 * A workgroup per tile of keys: also `fromK`, the first of the tile, `k`, the
 * first of the thread, the head `hkv` and the sequence `b`.
 */
export function keyPlace(shape: AttentionShape): Place {
  const { T, Hkv, tiles, tile, rows } = shape;
  return place(shape, {
    heads: Hkv,
    tile: `work % ${tiles}u; // the first keys have most queries`,
    code: `
  let hkv = work % ${Hkv}u;
  let b = work / ${Hkv}u;
  let first = b * ${T}u;
  let fromK = tile * ${tile}u;
  let k = fromK + ${rows}u * y;`,
  });
}

function place(
  shape: AttentionShape,
  { heads, tile, code }: { heads: number; tile: string; code: string },
): Place {
  const { B, D4, tiles, chunks, chunkVectors, perThread, side } = shape;
  const lanes = shape.flow === "direct" ? "row" : "block";
  const workgroups = B * heads * tiles * chunks;
  return {
    workgroups,
    code: `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let tile = ${tile}
  work /= ${tiles}u;
${lanePlace({ across: side, down: shape.threads / side, lanes })}${code}
${
      lines(perThread, (j) =>
        `  let d${j} = min(chunk * ${chunkVectors}u + x + ${side * j}u, ${
          D4 - 1
        }u);`)
    }`,
  };
}

/** Lines for the thread's results: each of its rows, each of its vectors. */
export function eachResult(
  { perThread, rows }: AttentionShape,
  line: (r: number, j: number) => string,
): string {
  return lines(perThread, (j) => lines(rows, (r) => line(r, j)));
}

/**
 * WGSL: stores the results of those of the thread's rows that exist.
 *
 * @param options.row The number of the first of them.
 * @param options.store Statements for row r and vector j.
 * @param options.before Statements ahead of those of row r.
 * @param options.after Statements behind them.
 */
export function storeRows(
  { T, D4, rows, perThread, chunkVectors, side }: AttentionShape,
  { row, store, before = () => "", after = () => "" }: {
    row: "q" | "k" | "row";
    store: (r: number, j: number) => string;
    before?: (r: number) => string;
    after?: (r: number) => string;
  },
): string {
  // Behind the end of a head or chunk, a thread's vector repeats the last one.
  const hasVector = (j: number) =>
    `x + ${side * j}u < ${chunkVectors}u && ` +
    `chunk * ${chunkVectors}u + x + ${side * j}u < ${D4}u`;
  return lines(rows, (r) =>
    `  if (${row} + ${r}u < ${T}u) {
    ${before(r)}
${
      lines(perThread, (j) =>
        `    if (${hasVector(j)}) {
      ${store(r, j)}
    }`)
    }
    ${after(r)}
  }`);
}
