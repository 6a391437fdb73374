/**
 * Ends of a product of few rows that need two of its columns each: SwiGLU and
 * rotary positions.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { rotationOf } from "../shader/rotation.ts";
import { sigmoid } from "../shader/sigmoid.ts";

/** Ops on columns that lie apart. */
export type PairOp = "swiglu" | "rope";

/** One of these on tensors. */
export type PairCall<T> = { [K in PairOp]: Call<K, T> }[PairOp];

/** Stores results, two vectors of four columns at a time. */
export interface PairEnding {
  /** Vectors from the one to the other. */
  readonly apart: number;
  /** Read and written where the results are, as vectors. */
  readonly read: Record<string, GpuTensor | undefined>;
  readonly write: Record<string, GpuTensor | undefined>;
  /** Read as a whole … */
  readonly whole: Record<string, GpuTensor | undefined>;
  /** … and which of these as vectors. */
  readonly vectors: readonly string[];
  /**
   * WGSL: `finish(row, pair, a, b)`, which stores what becomes of both.
   *
   * @param names Variables of the tensors.
   */
  readonly declare: (names: Record<string, string>) => string;
}

/** Number of the first vector of a pair; the pairs of a head, say, follow. */
export function pairColumn(pair: string, apart: number): string {
  return `(${pair} / ${apart}u * ${2 * apart}u + ${pair} % ${apart}u)`;
}

/** Whether it is made of whole vectors. */
export function canPair({ op, attrs }: PairCall<unknown>): boolean {
  if (op === "swiglu") return attrs.F % 4 === 0;
  return attrs.D % 8 === 0 && attrs.width % attrs.D === 0;
}

/** The op on a product's results. */
export function pairEndingOf(
  call: PairCall<GpuTensor>,
  context: KernelContext,
): PairEnding {
  const write = { result: call.out.out };
  if (call.op === "swiglu") {
    const apart = call.attrs.F / 4;
    return {
      ...{ apart, read: {}, write, whole: {}, vectors: [] },
      declare: ({ result }) => `
${sigmoid(4)}
fn finish(row: u32, pair: u32, a: vec4<f32>, b: vec4<f32>) {
  ${result}[row * ${apart}u + pair] = a * sigmoid(a) * b;
}
`,
    };
  }
  const { width, nRotated } = call.attrs;
  const rotation = rotationOf(call.attrs, context);
  const { half: apart, table } = rotation;
  return {
    ...{ apart, read: {}, write, vectors: ["table"] },
    whole: { positions: call.in.positions, table },
    declare: ({ result, positions, table }) => `
${rotation.functions}
fn finish(row: u32, pair: u32, a: vec4<f32>, b: vec4<f32>) {
  let first = row * ${width / 4}u + ${pairColumn("pair", apart)};
  if (pair >= ${nRotated * apart}u) {
    ${result}[first] = a;
    ${result}[first + ${apart}u] = b;
    return;
  }
  let position = f32(${positions}[row]);
  let turn = pair % ${apart}u;
  ${rotation.angle(table)}
  ${result}[first] = ${rotation.first};
  ${result}[first + ${apart}u] = ${rotation.second};
}
`,
  };
}
