/**
 * The checks that the methods of a graph make before they record a call.
 *
 * A wrong element type or rank is a `TypeError`, a wrong size a `RangeError`;
 * both name the op, its argument, and what was given and wanted.
 *
 * @module
 */

import { describeTensor, sameShape, sizeOf, type Tensor } from "./tensor.ts";

/** Tensors by the name of the argument that they were given for. */
export type NamedTensors = Record<string, Tensor | undefined>;

/** @throws {TypeError} If a tensor that is there is not f32. */
export function expectF32(op: string, tensors: NamedTensors): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor && tensor.dtype !== "f32") fail(op, name, tensor, "f32");
  }
}

/**
 * @throws {TypeError} If `tensor` is not u32.
 * @throws {RangeError} If it does not have `count` elements.
 */
export function expectIntegers(
  op: string,
  name: string,
  tensor: Tensor,
  count: number,
): void {
  if (tensor.dtype !== "u32") fail(op, name, tensor, "u32");
  if (sizeOf(tensor.shape) !== count) {
    failRange(op, name, tensor, `${count} elements`);
  }
}

/**
 * Rows and columns of an f32 matrix.
 *
 * @throws {TypeError} If `tensor` is not one.
 */
export function expectMatrix(
  op: string,
  name: string,
  tensor: Tensor,
): readonly [rows: number, columns: number] {
  if (tensor.dtype !== "f32" || tensor.shape.length !== 2) {
    fail(op, name, tensor, "an f32 matrix");
  }
  return [tensor.shape[0], tensor.shape[1]];
}

/**
 * Nothing to check when `tensor` is absent.
 *
 * @throws {TypeError} If `tensor` is not f32.
 * @throws {RangeError} If it has another shape.
 */
export function expectShape(
  op: string,
  name: string,
  tensor: Tensor | null | undefined,
  shape: readonly number[],
): void {
  if (!tensor) return;
  expectF32(op, { [name]: tensor });
  if (!sameShape(tensor.shape, shape)) {
    failRange(op, name, tensor, `shape (${shape.join(", ")})`);
  }
}

/** @throws {TypeError} If `tensor` does not keep its content between runs. */
export function expectPersistent(
  op: string,
  name: string,
  tensor: Tensor | undefined,
): void {
  if (tensor?.kind === "temp") fail(op, name, tensor, "a persistent tensor");
}

/** @throws {RangeError} If `ok` is false; `wanted` says what is allowed. */
export function expectSetting(
  op: string,
  name: string,
  value: unknown,
  ok: boolean,
  wanted: string,
): void {
  if (!ok) {
    throw new RangeError(
      `Cannot record ${op}: ${name} is ${value}, expected ${wanted}`,
    );
  }
}

/**
 * @throws {RangeError} If `shape` has a dimension that is not an integer of
 * at least 1: an empty tensor is always a mistake here.
 */
export function expectDimensions(name: string, shape: readonly number[]): void {
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new RangeError(
      `Cannot make tensor "${name}" of shape (${shape.join(", ")}): ` +
        `every dimension must be an integer of at least 1`,
    );
  }
}

function fail(op: string, name: string, tensor: Tensor, wanted: string): never {
  throw new TypeError(mismatch(op, name, tensor, wanted));
}

function failRange(
  op: string,
  name: string,
  tensor: Tensor,
  wanted: string,
): never {
  throw new RangeError(mismatch(op, name, tensor, wanted));
}

function mismatch(op: string, name: string, tensor: Tensor, wanted: string) {
  return `Cannot record ${op}: ${name} is ${describeTensor(tensor)}, ` +
    `expected ${wanted}`;
}
