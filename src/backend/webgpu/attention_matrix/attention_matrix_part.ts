/**
 * What the kernels of attention's gradient on matrix units share: how they are
 * cut, the slopes that one keeps for the other, and how sums are stored.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import { pairs } from "../attention/attention_gradients.ts";
import type {
  AttentionShape,
  MatrixGradientTile,
} from "../attention/attention_tile.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { GpuTensor } from "../dispatch.ts";
import { range } from "../shader/wgsl.ts";
import {
  factorStride,
  PAIR,
  resultAt,
  resultStride,
} from "./attention_matrix_tile.ts";

/** Keys of a workgroup, or queries of one. */
export const MATRIX_TILE = 64;
/** Widest heads: sums and rows of one subgroup take the registers of 32 lanes. */
const MOST_D = 128;

/** Some sequences, or some heads of one, and what is kept of them. */
export interface MatrixPart {
  /** How many sequences, at most: `start` tells which. */
  readonly sequences: number;
  /**
   * How many heads of keys, at most, with the heads of queries that share them;
   * absent is all. Where it is there, `sequences` is 1.
   */
  readonly heads?: number;
  /**
   * The number of the first sequence, and with `heads` that of the first head
   * of keys; absent is 0.
   */
  readonly start?: GpuTensor;
  /**
   * Slopes without 1 / sqrt(D), as the unit takes them, times the scale of
   * gradients: (sequences, heads of queries, pairs, queries, keys), 64 x 64 of
   * the last two.
   */
  readonly slopes: GpuTensor;
}

/** The sizes of a part. */
export function partSizes(
  { H, Hkv }: Pick<AttentionShape, "H" | "Hkv">,
  { sequences, heads = Hkv }: Pick<MatrixPart, "sequences" | "heads">,
): Pick<AttentionShape, "B" | "H" | "Hkv"> {
  return { B: sequences, H: heads * H / Hkv, Hkv: heads };
}

/** What both kernels are made for. */
export interface MatrixGradient {
  readonly shape: AttentionShape;
  readonly tile: MatrixGradientTile;
  /** A power of two that the output's gradient is multiplied by. */
  readonly scale: number;
}

/**
 * How a device cuts the gradient: a unit's rows of keys for each subgroup, and
 * as few queries at a time as a unit takes. Measured on an NVIDIA H200, with
 * heads of 64: twice as many of either are slower, as are keys and values that
 * stay in workgroup memory.
 */
export function gradientTiles(
  unit: MatrixUnit,
  { maxComputeInvocationsPerWorkgroup: threads = 256 }: Partial<
    GPUSupportedLimits
  >,
): MatrixGradientTile[] {
  const { M, N, K } = unit;
  const tile: MatrixGradientTile = {
    ...{ flow: "matrixGradient", unit },
    ...{ rows: Math.max(M, N), step: Math.max(M, K) },
  };
  return gradientThreads(tile) <= threads ? [tile] : [];
}

/** Whether heads of a size can be cut so, in so much workgroup memory. */
export function canMatrixGradient(
  { D }: Pick<AttentionAttrs, "D">,
  tile: MatrixGradientTile,
  bytes: number,
): boolean {
  const { N, K } = tile.unit;
  return D % N === 0 && D % K === 0 && D <= MOST_D &&
    queriesAtOnce({ D }, tile, bytes) > 0 &&
    PAIR * queryPairs({ D }) <= bytes;
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

/** Columns of sums that a subgroup stores at a time. */
const STORED = 32;

/**
 * Pairs of words that a subgroup has for itself: for two times as many results
 * as it computes in a step, for what becomes of them, or for sums.
 */
export function ownPairs(
  { rows, step }: Pick<MatrixGradientTile, "rows" | "step">,
): number {
  return Math.max(2 * step * resultStride(rows), rows * resultStride(STORED));
}

/** Of so many bytes for each, an NVIDIA H200 runs two workgroups on a core. */
const TWO_ON_A_CORE = 24 << 10;

/**
 * Queries that are in workgroup memory at a time: 32, or fewer where two
 * workgroups would not fit a core; 0 if not even one has enough.
 */
export function queriesAtOnce(
  { D }: Pick<AttentionAttrs, "D">,
  tile: MatrixGradientTile,
  bytes: number,
): number {
  const row = factorStride(D), beside = subgroupsOf(tile) * ownPairs(tile);
  const bytesOf = (count: number) =>
    PAIR * Math.max(2 * count * row + beside, MATRIX_TILE * row);
  const fitting = [32, 16, 8].filter((count) =>
    count % tile.step === 0 && bytesOf(count) <= bytes
  );
  return fitting.find((count) => bytesOf(count) <= TWO_ON_A_CORE) ??
    fitting.at(-1) ?? 0;
}

/** Pairs of words for a tile of keys and one of slopes. */
export function queryPairs({ D }: Pick<AttentionAttrs, "D">): number {
  return MATRIX_TILE * (factorStride(MATRIX_TILE) + factorStride(D));
}

/**
 * So many heads have their longest tiles first, then the next ones, and so on:
 * as many as there are cores on a large device, so that what begins last, while
 * others have nothing left to do, is short, and heads are read from the cache.
 */
const HEADS_AT_ONCE = 128;

/**
 * WGSL: of the workgroup of number `work`, which of `heads` it has, `head`, and
 * which of the tiles of that, `rank`, from the longest on.
 */
export function longestFirst(heads: number, tiles: number): string {
  const together = HEADS_AT_ONCE * tiles;
  const firstHead = `work / ${together}u * ${HEADS_AT_ONCE}u`;
  return `
  let firstHead = ${firstHead};
  let count = min(${HEADS_AT_ONCE}u, ${heads}u - firstHead);
  let rank = work % ${together}u / count;
  let head = firstHead + work % ${together}u % count;`;
}

/** Numbers of the slopes of a part. */
export function slopesLength(
  shape: AttentionShape,
  part: Pick<MatrixPart, "sequences" | "heads">,
): number {
  const { B, H } = partSizes(shape, part);
  return B * H * pairs(shape) * MATRIX_TILE ** 2;
}

/** WGSL: number of the first vector of a tile of slopes. */
export function slopesAt(
  shape: AttentionShape,
  { heads }: Pick<MatrixPart, "heads">,
  { queryTile, keyTile }: Record<"queryTile" | "keyTile", string>,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  const head = heads === undefined
    ? `(sequence * ${shape.H}u + h)`
    : "(h - partHead)";
  return `(${head} * ${pairs(shape)}u + ${pair}) * ${MATRIX_TILE ** 2 / 4}u`;
}

/**
 * WGSL: of the workgroup that has number `head` among those of a part, which
 * sequence `b` of all it has, and which heads of keys and, with `of` queries,
 * of those.
 *
 * @param start The variable of the part's `start`.
 */
export function partHead(
  { B, H, Hkv }: AttentionShape,
  { heads, start }: Pick<MatrixPart, "heads" | "start">,
  { of, start: table }: { of: "keys" | "queries"; start: string },
): string {
  const ofQueries = of === "queries", count = ofQueries ? H : Hkv;
  if (heads !== undefined) {
    const partHead = `u32(${table}[1]) * ${H / Hkv}u`;
    return `
  let b = u32(${table}[0]);
  let partHead = ${partHead};${
      ofQueries
        ? `
  let h = partHead + head;
  if (h >= ${H}u) { return; }
  let hkv = h * ${Hkv}u / ${H}u;`
        : `
  let hkv = u32(${table}[1]) + head;
  if (hkv >= ${Hkv}u) { return; }`
    }`;
  }
  const name = ofQueries ? "h" : "hkv";
  return `
  let ${name} = head % ${count}u;${
    ofQueries
      ? `
  let hkv = h * ${Hkv}u / ${H}u;`
      : ""
  }
  let sequence = head / ${count}u;
  let b = sequence${start ? ` + u32(${table}[0])` : ""};
  if (b >= ${B}u) { return; }`;
}

/**
 * WGSL: stores a subgroup's rows of sums, through its own memory.
 *
 * @param options.row Number of its first row, those below T being stored.
 */
export function storeUnits(
  { sums, tile: { rows, unit }, D, row, T, store }: {
    sums: string;
    tile: MatrixGradientTile;
    D: number;
    row: string;
    T: number;
    store: (row: string, vector: string, sum: string) => string;
  },
): string {
  const down = range(rows / unit.M);
  return range(Math.ceil(D / STORED)).map((part) => {
    const from = part * STORED, numbers = Math.min(STORED, D - from);
    const stride = resultStride(STORED), vectors = numbers / 4;
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
