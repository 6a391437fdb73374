/**
 * What the kernels of attention's gradient on matrix units share: how they are
 * cut, the slopes that one keeps for the other, and how sums are stored.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import type { MatrixUnit } from "../gemm/gemm_variant.ts";
import { range } from "../wgsl.ts";
import { pairs } from "./attention_gradients.ts";
import {
  factorStride,
  PAIR,
  resultAt,
  resultStride,
} from "./attention_matrix_tile.ts";
import type { AttentionShape, MatrixGradientTile } from "./attention_tile.ts";

/** Keys of a workgroup, or queries of one. */
export const MATRIX_TILE = 64;
/** Widest heads: sums and rows of one subgroup take the registers of 32 lanes. */
const MOST_D = 128;

/** Some sequences, and the slopes that are kept of them. */
export interface MatrixPart {
  /** How many sequences, at most: `start` tells which. */
  readonly sequences: number;
  /** The number of the first one; absent is 0. */
  readonly start?: GpuTensor;
  /**
   * Slopes without 1 / sqrt(D), as the unit takes them, times the scale of
   * gradients: (sequences, H, pairs, keys, queries), 64 x 64 of the last two.
   */
  readonly slopes: GpuTensor;
}

/** What both kernels are made for. */
export interface MatrixGradient {
  readonly shape: AttentionShape;
  readonly tile: MatrixGradientTile;
  /** A power of two that the output's gradient is multiplied by. */
  readonly scale: number;
}

/**
 * How a device may cut the gradient, the likeliest first. By a likeness in CUDA
 * for sm_90, D = 64, units of 16: 16 rows and 32 queries at a time take 250
 * registers, or 168 with 0.2 KB beside them; without keys and values 168, or
 * 128 with 0.2 KB. 32 rows take more than there are, unless keys and values are
 * in workgroup memory.
 */
export function gradientTiles(
  unit: MatrixUnit,
  { maxComputeInvocationsPerWorkgroup: threads = 256 }: Partial<
    GPUSupportedLimits
  >,
): MatrixGradientTile[] {
  const { M, N, K } = unit, wide = Math.max(N, K);
  const flow = "matrixGradient";
  const tiles: MatrixGradientTile[] = [
    { flow, rows: M, step: 2 * wide, unit },
    { flow, rows: M, step: 2 * wide, unit, inMemory: true },
    { flow, rows: 2 * M, step: wide, unit, inMemory: true },
  ];
  return tiles.filter((tile) =>
    MATRIX_TILE % tile.rows === 0 && MATRIX_TILE % tile.step === 0 &&
    tile.step % N === 0 && tile.step % K === 0 &&
    gradientThreads(tile) <= threads
  );
}

/** Whether heads of a size can be cut so, in so much workgroup memory. */
export function canMatrixGradient(
  { D }: Pick<AttentionAttrs, "D">,
  tile: MatrixGradientTile,
  bytes: number,
): boolean {
  const { N, K } = tile.unit;
  return D % N === 0 && D % K === 0 && D <= MOST_D &&
    keyBuffers({ D }, tile, bytes) > 0 && queryBuffers({ D }, bytes) > 0;
}

/** Subgroups of a workgroup. */
export function subgroupsOf(
  { rows }: Pick<MatrixGradientTile, "rows">,
): number {
  return MATRIX_TILE / rows;
}

/** Threads of a workgroup. */
export function gradientThreads(tile: MatrixGradientTile): number {
  return subgroupsOf(tile) * tile.unit.lanes;
}

/**
 * Pairs of words that a subgroup has for itself: two times as many results as
 * it computes in a step, or what becomes of them.
 */
export function ownPairs({ rows, step }: MatrixGradientTile): number {
  return 2 * rows * resultStride(step);
}

/** Steps of queries that a workgroup of keys has memory for. */
export function keyBuffers(
  { D }: Pick<AttentionAttrs, "D">,
  tile: MatrixGradientTile,
  bytes: number,
): number {
  const rows = MATRIX_TILE * factorStride(D);
  if (PAIR * rows > bytes) return 0;
  return buffersOf(bytes, {
    ofOne: 2 * tile.step * factorStride(D),
    beside: subgroupsOf(tile) * ownPairs(tile) + (tile.inMemory ? 2 * rows : 0),
  });
}

/** The same of tiles of keys, and their slopes, for a workgroup of queries. */
export function queryBuffers(
  { D }: Pick<AttentionAttrs, "D">,
  bytes: number,
): number {
  const ofOne = MATRIX_TILE * (factorStride(MATRIX_TILE) + factorStride(D));
  return buffersOf(bytes, { ofOne });
}

/**
 * Tiles that are in workgroup memory at a time: two, one of which is read while
 * the other is multiplied, one where there is no memory for more, or none.
 */
function buffersOf(
  bytes: number,
  { ofOne, beside = 0 }: { ofOne: number; beside?: number },
): number {
  return [2, 1].find((n) => PAIR * (n * ofOne + beside) <= bytes) ?? 0;
}

/** Numbers of the slopes of so many sequences. */
export function slopesLength(shape: AttentionShape, sequences: number): number {
  return sequences * shape.H * pairs(shape) * MATRIX_TILE ** 2;
}

/** WGSL: number of the first vector of a tile of slopes. */
export function slopesAt(
  shape: AttentionShape,
  { queryTile, keyTile }: Record<"queryTile" | "keyTile", string>,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  return `((sequence * ${shape.H}u + h) * ${pairs(shape)}u + ${pair}) * ${
    MATRIX_TILE ** 2 / 4
  }u`;
}

/**
 * WGSL: stores a subgroup's rows of sums, through its own memory.
 *
 * @param options.row Number of its first row, those below T being stored.
 */
export function storeUnits(
  { sums, tile: { rows, step, unit }, D, row, T, store }: {
    sums: string;
    tile: MatrixGradientTile;
    D: number;
    row: string;
    T: number;
    store: (row: string, vector: string, sum: string) => string;
  },
): string {
  const down = range(rows / unit.M);
  return range(Math.ceil(D / step)).map((part) => {
    const from = part * step, numbers = Math.min(step, D - from);
    const stride = resultStride(step), vectors = numbers / 4;
    const units = range(numbers / unit.N);
    return `
  subgroupBarrier();${
      down.flatMap((i) =>
        units.map((n) => `
  coopStore(${sums}${i}_${from / unit.N + n}, &tiles[own + ${
          i * unit.M * stride + n * unit.N / 2
        }u], ${stride}u);`)
      ).join("")
    }
  subgroupBarrier();
  for (var index = sublane; index < ${
      rows * vectors
    }u; index += ${unit.lanes}u) {
    let row = index / ${vectors}u;
    let vector = index % ${vectors}u;
    let token = ${row} + row;
    let sum = ${resultAt(`own + row * ${stride}u + 2u * vector`)};
    if (token < ${T}u) {
      ${store("token", `vector + ${from / 4}u`, "sum")}
    }
  }`;
  }).join("");
}
