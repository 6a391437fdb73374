/**
 * What attention on matrix units has in common: how rows of heads get into
 * workgroup memory in two bytes a number, and how results are read from there.
 *
 * Workgroup memory is an array `tiles` of pairs of words, as in
 * ../gemm_matrix/gemm_matrix.ts: four numbers of two bytes, or two of f32.
 *
 * @module
 */

import type { Heads } from "../attention/attention_heads.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { type GpuTensor, QUAD } from "../dispatch.ts";
import { f32 } from "../shader/wgsl.ts";
import { type RowCopy, rowCopy } from "./attention_matrix_copy.ts";

/**
 * Rows are so many pairs longer than needed, 16 bytes of factors and 32 of
 * results, that eight rows begin in different banks.
 */
const FACTOR_PAD = 2, RESULT_PAD = 4;

/** Pairs from one row of so many numbers of two bytes to the next. */
export function factorStride(numbers: number): number {
  return numbers / 4 + FACTOR_PAD;
}

/** The same of so many numbers of f32. */
export function resultStride(numbers: number): number {
  return numbers / 2 + RESULT_PAD;
}

/** Bytes of a pair of words. */
export const PAIR = 8;

/** WGSL: the four numbers of f32 from a pair of words on. */
export function resultAt(at: string): string {
  return `bitcast<vec4<f32>>(vec4<u32>(tiles[${at}], tiles[${at} + 1u]))`;
}

/** Rows on their way to workgroup memory; see attention_matrix_copy.ts. */
export interface MatrixRows extends Pick<RowCopy, "registers" | "take"> {
  /** Pairs from row to row, and of all. */
  readonly stride: number;
  readonly pairs: number;
  /** Statements that write them to the rows that begin at pair `first`. */
  put(first: string): string;
}

/** Whether numbers are stored as a unit takes them, times `wanted`. */
export function isRaw(
  { dtype, scale = 1 }: Pick<GpuTensor, "dtype" | "scale">,
  { scalar }: Pick<MatrixUnit, "scalar">,
  wanted = 1,
): boolean {
  return dtype === scalar && scale === wanted;
}

/**
 * Shares rows out among the threads, eight numbers at a time where they are
 * stored as the unit takes them, else four; needs a function `packed` for the
 * unit, where they are not.
 *
 * @param heads Where they lie; the array is bound as `quads` where it is raw,
 * else as vectors.
 * @param options.scale What the unit takes numbers times: a power of two.
 */
export function matrixRows(
  { array, at }: Heads,
  { prefix, rows, numbers, threads, unit, tensor, scale = 1 }: {
    prefix: string;
    rows: number;
    /** Numbers of a row: a multiple of 8. */
    numbers: number;
    threads: number;
    unit: Pick<MatrixUnit, "scalar">;
    tensor: Pick<GpuTensor, "dtype" | "scale">;
    scale?: number;
  },
): MatrixRows {
  const raw = isRaw(tensor, unit, scale);
  const size = raw ? 8 : 4, stride = factorStride(numbers);
  const copy = (first: string) =>
    rowCopy({
      ...{ rows, vectors: numbers / size, threads },
      type: raw ? QUAD : "vec4<f32>",
      parts: [{
        variable: (turn) => `${prefix}${turn}`,
        read({ row, within }) {
          const place = `(${at(`(${row})`)}) / ${size}u + ${within}`;
          return raw ? `raw_${array}(${place})` : `${array}[${place}]`;
        },
        write({ row, within }, value) {
          const to = `${first} + ${row} * ${stride}u + ${
            size / 4
          }u * (${within})`;
          const times = scale === 1 ? "" : ` * ${f32(scale)}`;
          return raw
            ? [
              `tiles[${to}] = ${value}.xy;`,
              `tiles[${to} + 1u] = ${value}.zw;`,
            ]
            : [`tiles[${to}] = packed(${value}${times});`];
        },
      }],
    });
  const { registers, take } = copy("0u");
  return {
    ...{ stride, pairs: rows * stride, registers, take },
    put: (first) => copy(first).put,
  };
}
