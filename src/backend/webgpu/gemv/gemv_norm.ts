/**
 * A norm at the beginning of a product of few rows: the rows in workgroup
 * memory.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import {
  declareParts,
  eachPart,
  normalize,
  type RowShape,
} from "../shader/rows.ts";
import { lines, reductions } from "../shader/wgsl.ts";

/** What rows go through. */
export interface RowNorm {
  readonly weight: GpuTensor;
  readonly bias?: GpuTensor;
  readonly eps: number;
  /** Whether the mean is subtracted, as layer normalization does. */
  readonly centered: boolean;
}

/** The norm of a call. */
export type NormCall<T> = Call<"layerNorm", T> | Call<"rmsNorm", T>;

/**
 * Numbers that fit the 16 KiB of workgroup memory of every adapter, beside 256
 * vectors of sums, 64 of their second round, and {@linkcode reductions}.
 */
const MOST_NUMBERS = 16384 / 4 - 4 * (256 + 64) - (256 + 16);
/**
 * A product of more columns takes so long that a dispatch is little beside it,
 * and has so many workgroups that normalizing again and again is not.
 */
const MOST_COLUMNS = 8192;

/** Whether each workgroup of a product can do it for itself, and should. */
export function canNormalize(
  { M, N, K }: { M: number; N: number; K: number },
): boolean {
  return K % 4 === 0 && M * K <= MOST_NUMBERS && N <= MOST_COLUMNS;
}

/**
 * WGSL that makes the array `rows` of the rows of `a`: M times K / 4 vectors.
 *
 * @param options.names Variables of `a`, `normWeight` and `normBias`.
 */
export function normalizeRows(
  { eps, centered, bias }: RowNorm,
  { M, K, threads, names }: {
    M: number;
    K: number;
    threads: 64 | 256;
    names: Record<string, string>;
  },
): { declare: string; body: string } {
  const CV = K / 4;
  const shape: RowShape = {
    ...{ width: 4, CV, threads, parts: Math.ceil(CV / threads) },
  };
  const { a, normWeight, normBias } = names;
  return {
    declare: `
var<workgroup> rows: array<vec4<f32>, ${M * CV}>;
${reductions(threads)}`,
    // All is asked for before the first is used.
    body: lines(M, (m) => `
  {
    let start = ${m * CV}u;
    ${declareParts(shape, "x")}
    ${declareParts(shape, "weight")}
    ${bias ? declareParts(shape, "bias") : ""}
    ${
      eachPart(shape, (j) => `
    x${j} = ${a}[i];
    weight${j} = ${normWeight}[c];
    ${bias ? `bias${j} = ${normBias}[c];` : ""}`)
    }
    ${normalize(shape, { C: K, eps, centered })}
    ${
      eachPart(shape, (j) =>
        `rows[i] = x${j} * rstd_ * weight${j}${bias ? ` + bias${j}` : ""};`)
    }
  }`) + `
  workgroupBarrier();`,
  };
}
