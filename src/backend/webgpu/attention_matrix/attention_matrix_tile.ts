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
import { f32, range } from "../shader/wgsl.ts";

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

/** Extensions that shaders with units need. */
export function matrixEnables({ scalar }: MatrixUnit): string[] {
  return [
    "wgpu_cooperative_matrix",
    "subgroups",
    ...scalar === "f16" ? ["f16"] : [],
  ];
}

/** Rows that all threads of a workgroup bring into workgroup memory. */
export interface MatrixRows {
  /** Pairs from row to row, and of all. */
  readonly stride: number;
  readonly pairs: number;
  /** Declares variables for what is read before it is put into place. */
  readonly registers: string;
  /** Statements that read the part of this thread. */
  readonly take: string;
  /** Statements that write it to the rows that begin at pair `first`. */
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
  const size = raw ? 8 : 4;
  const vectors = numbers / size, count = rows * vectors;
  const stride = factorStride(numbers);
  const index = (turn: number) => `(lane + ${turn * threads}u)`;
  const row = (turn: number) => `${index(turn)} / ${vectors}u`;
  const within = (turn: number) => `${index(turn)} % ${vectors}u`;
  const turns = range(Math.ceil(count / threads));
  const each = (line: (turn: number) => string) =>
    turns.map((turn) =>
      (turn + 1) * threads <= count ? line(turn) : `
    if (${index(turn)} < ${count}u) {${line(turn)}
    }`
    ).join("");
  return {
    stride,
    pairs: rows * stride,
    registers: turns.map((turn) => `
  var ${prefix}${turn} = ${raw ? `${QUAD}()` : "vec4<f32>()"};`).join(""),
    take: each((turn) => {
      const place = `(${at(`(${row(turn)})`)}) / ${size}u + ${within(turn)}`;
      return `
    ${prefix}${turn} = ${
        raw ? `raw_${array}(${place})` : `${array}[${place}]`
      };`;
    }),
    put: (first) =>
      each((turn) => {
        const value = `${prefix}${turn}`;
        const times = scale === 1 ? "" : ` * ${f32(scale)}`;
        const to = `${first} + ${row(turn)} * ${stride}u + ${size / 4}u * (${
          within(turn)
        })`;
        return raw
          ? `
    tiles[${to}] = ${value}.xy;
    tiles[${to} + 1u] = ${value}.zw;`
          : `
    tiles[${to}] = packed(${value}${times});`;
      }),
  };
}
