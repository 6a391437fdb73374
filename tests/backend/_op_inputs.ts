/**
 * Inputs for the table of op cases: seeded random tensors, and what a forward
 * op keeps for its backward op.
 *
 * @module
 */

import type { TensorData } from "../../src/backend/backend.ts";
import { referenceKernels } from "../../src/backend/reference/backend.ts";
import { PhiloxStream } from "../../src/base/philox.ts";
import { IGNORED_TARGET, type OpName } from "../../src/graph/ops.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import type { OpCase, OpCaseOf, OpInput } from "./_run_op_case.ts";

/** Names a case after its op and `title`. */
export function opCase<K extends OpName>(
  op: K,
  title: string,
  rest: Omit<OpCaseOf<K>, "op" | "name">,
): OpCase {
  // A union over all ops cannot be built from a generic K without help.
  return { op, name: `${op} ${title}`, ...rest } as OpCaseOf<K> as OpCase;
}

/** Fills the arrays of `out` with what the reference makes of `in`. */
export function compute<
  K extends "attention" | "crossEntropy" | "layerNorm" | "rmsNorm",
>(
  op: K,
  call: { in: object; out: object; attrs: object },
): void {
  const arrays = (inputs: object) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { data }]) => [name, data]),
    );
  const kernel = referenceKernels[op] as (call: unknown) => void;
  kernel({ op, in: arrays(call.in), out: arrays(call.out), attrs: call.attrs });
}

/** Normal numbers of a stream of their own for each seed and size. */
export function normal(
  seed: number,
  shape: number[],
  { scale = 1, shift = 0 } = {},
): { shape: number[]; data: Float32Array } {
  const stream = new PhiloxStream(seed, 97, sizeOf(shape));
  const data = Float32Array.from(
    { length: sizeOf(shape) },
    () => shift + scale * stream.normal(),
  );
  return { shape, data };
}

/** Uniform integers from 0 on; a stream for each seed and size. */
export function integers(
  seed: number,
  shape: number[],
  { below }: { below: number },
): OpInput {
  const length = sizeOf(shape);
  const stream = new PhiloxStream(seed, 96, length);
  return {
    shape,
    data: Uint32Array.from({ length }, () => stream.below(below)),
  };
}

/** The given numbers. */
export function f32(shape: number[], ...values: number[]): OpInput {
  return { shape, data: Float32Array.from(values) };
}

/** The given integers, a vector. */
export function u32(...values: number[]): OpInput {
  return { shape: [values.length], data: Uint32Array.from(values) };
}

/** Zeros, for a kernel to write to. */
export function empty(shape: number[]): { shape: number[]; data: TensorData } {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}

/** Every fifth target from the third on is ignored. */
export function someIgnored({ shape, data }: OpInput): OpInput {
  const targets = data.map((id, i) => i % 5 === 2 ? IGNORED_TARGET : id);
  return { shape, data: targets };
}

/** Seed and micro-step that need all 64 bits. */
export function rngWords(): OpInput {
  const data = Uint32Array.of(0x89abcdef, 0x1234, 0xfffffffe, 3);
  return { shape: [4], data };
}

/** `B=2 T=37`. */
export function describe(sizes: object): string {
  return Object.entries(sizes).map(([name, n]) => `${name}=${n}`).join(" ");
}

/** All pairs. */
export function cross<A, B>(as: readonly A[], bs: readonly B[]): [A, B][] {
  return as.flatMap((a) => bs.map((b): [A, B] => [a, b]));
}
