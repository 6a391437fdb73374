/**
 * What a tensor is: a name, a kind, an element type and a shape.
 *
 * A tensor holds no numbers; an executor gives it memory.
 *
 * @module
 */

/** Element type; `u32` is for token ids, positions and counters only. */
export type DType = "f32" | "u32";

/**
 * Who owns the content of a tensor: `temp` lives within one run of one phase;
 * `param`, `state`, `input` and `output` persist and can be read or written
 * by name.
 */
export type TensorKind = "temp" | "param" | "state" | "input" | "output";

/** A value of a graph. Identity matters: compare tensors with `===`. */
export interface Tensor {
  /** Of persistent tensors: how the host writes and reads them. */
  readonly name: string;
  /** Who owns its content. */
  readonly kind: TensorKind;
  /** Element type; 4 bytes each. */
  readonly dtype: DType;
  /** Row-major, every dimension at least 1. */
  readonly shape: readonly number[];
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Whether two shapes are the same, dimension by dimension. */
export function sameShape(
  a: readonly number[],
  b: readonly number[],
): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** `param "wte" f32 (65, 8)`: a tensor as error messages name it. */
export function describeTensor(tensor: Tensor): string {
  const { kind, name, dtype, shape } = tensor;
  return `${kind} "${name}" ${dtype} (${shape.join(", ")})`;
}
