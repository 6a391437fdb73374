/**
 * What the kernels of attention's gradient have in common: their tensors, the
 * rows of a tile, the vectors that a thread sums, and where ds is kept.
 *
 * @module
 */

import { type AttentionShape, packed } from "./attention_tile.ts";
import type { Heads } from "./attention_products.ts";
import type { GpuTensor } from "./dispatch.ts";
import { lines } from "./wgsl.ts";

export const LABEL = "attentionBackward";

/** What they read and write. */
export interface GradientTensors {
  readonly dOut: GpuTensor;
  readonly qkv: GpuTensor;
  readonly lse: GpuTensor;
  readonly rng?: GpuTensor;
  /** See `siteTable`. */
  readonly site?: GpuTensor;
  /** dOut . out of every row of every head, (B, H, T). */
  readonly rowDots: GpuTensor;
  readonly dQkv: GpuTensor;
  /** ds of every tile, (B, H, pairs, 4 rows, threads) vectors along queries. */
  readonly slopes?: GpuTensor;
}

/** Tiles of scores of a head: those on and below the diagonal. */
export function pairs({ tiles }: AttentionShape): number {
  return tiles * (tiles + 1) / 2;
}

/** WGSL: where thread `lane` finds its first vector of a tile in `slopes`. */
export function slopeAt(
  shape: AttentionShape,
  { head, queryTile, keyTile }: Record<
    "head" | "queryTile" | "keyTile",
    string
  >,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  return `(${head} * ${pairs(shape)}u + ${pair}) * ${
    4 * shape.threads
  }u + lane`;
}

/** Keys and values of the tile that begins at row `begin` of a sequence. */
export function keyHeads(
  qkv: string,
  shape: AttentionShape,
  begin: string,
): { keys: Heads; values: Heads } {
  const { width, key, value } = packed(shape);
  const row = (o: string) =>
    `(first + min(${begin} + ${o}, ${shape.T - 1}u)) * ${width}u`;
  return {
    keys: { array: qkv, at: (o) => `${row(o)} + ${key("hkv")}` },
    values: { array: qkv, at: (o) => `${row(o)} + ${value("hkv")}` },
  };
}

/** Queries and gradients of the output of such a tile. */
export function queryHeads(
  { qkv, dOut }: { qkv: string; dOut: string },
  shape: AttentionShape,
  begin: string,
): { queries: Heads; outs: Heads } {
  const { T, H, D } = shape;
  const { width, query } = packed(shape);
  const row = (o: string) => `(first + min(${begin} + ${o}, ${T - 1}u))`;
  return {
    queries: {
      array: qkv,
      at: (o) => `${row(o)} * ${width}u + ${query("h")}`,
    },
    outs: {
      array: dOut,
      at: (o) => `(${row(o)} * ${H}u + h) * ${D}u`,
    },
  };
}

export function each(line: (r: number) => string): string {
  return lines(4, line);
}

/** A line for each row and each vector of this thread. */
export function results(
  { perThread }: AttentionShape,
  line: (r: number, j: number) => string,
): string {
  return lines(perThread, (j) => each((r) => line(r, j)));
}

/** The numbers of this thread's vectors of the head; see `hasVector`. */
export function vectors(
  { perThread, chunkVectors, D4, side }: AttentionShape,
): string {
  return lines(
    perThread,
    (j) =>
      `  let d${j} = min(chunk * ${chunkVectors}u + x + ${side * j}u, ${
        D4 - 1
      }u);`,
  );
}

/** Whether vector j of this thread is one, and no repetition of the last. */
export function hasVector(
  { chunkVectors, D4, side }: AttentionShape,
  j: number,
): string {
  return `x + ${side * j}u < ${chunkVectors}u && ` +
    `chunk * ${chunkVectors}u + x + ${side * j}u < ${D4}u`;
}
