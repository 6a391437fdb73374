/**
 * The checks that the methods of a graph make before they record a call.
 *
 * A wrong element type, rank or kind is a `TypeError`, a wrong size or setting
 * a `RangeError`; both name the op, its argument, and what was given and
 * wanted. Arguments are passed as `{ bias }`, so that they carry their name;
 * those that are absent pass.
 *
 * @module
 */

import { describeTensor, sameShape, sizeOf, type Tensor } from "./tensor.ts";

/** Tensors by the name of the argument that they were given for. */
export type NamedTensors = Record<string, Tensor | null | undefined>;

/** The checks of one call of the op `op`. */
export class ShapeChecks {
  readonly #op: string;

  constructor(op: string) {
    this.#op = op;
  }

  /** @throws {TypeError} If one is not f32. */
  f32(tensors: NamedTensors): void {
    this.#all(tensors, ({ dtype }) => dtype === "f32", {
      wanted: "f32",
      error: TypeError,
    });
  }

  /**
   * Rows and columns of the first of `matrices`, of which each is an f32
   * matrix.
   *
   * @throws {TypeError} If one is not.
   */
  matrix(matrices: Record<string, Tensor>): [rows: number, columns: number] {
    const isMatrix = ({ dtype, shape }: Tensor) =>
      dtype === "f32" && shape.length === 2;
    const error = TypeError;
    this.#all(matrices, isMatrix, { wanted: "an f32 matrix", error });
    const [{ shape: [rows, columns] }] = Object.values(matrices);
    return [rows, columns];
  }

  /**
   * @throws {TypeError} If one is not f32.
   * @throws {RangeError} If one has another shape.
   */
  shape(tensors: NamedTensors, shape: readonly number[]): void {
    this.f32(tensors);
    this.#all(tensors, (tensor) => sameShape(tensor.shape, shape), {
      wanted: `shape (${shape.join(", ")})`,
      error: RangeError,
    });
  }

  /**
   * @throws {TypeError} If one is not u32.
   * @throws {RangeError} If one does not have `count` elements.
   */
  integers(tensors: NamedTensors, count: number): void {
    this.#all(tensors, ({ dtype }) => dtype === "u32", {
      wanted: "u32",
      error: TypeError,
    });
    this.#all(tensors, ({ shape }) => sizeOf(shape) === count, {
      wanted: `${count} elements`,
      error: RangeError,
    });
  }

  /** @throws {TypeError} If one does not keep its content between runs. */
  persistent(tensors: NamedTensors): void {
    this.#all(tensors, ({ kind }) => kind !== "temp", {
      wanted: "a persistent tensor",
      error: TypeError,
    });
  }

  /** @throws {RangeError} With the text `mismatch`, unless `ok`. */
  setting(ok: boolean, mismatch: string): void {
    if (!ok) throw new RangeError(`Cannot record ${this.#op}: ${mismatch}`);
  }

  #all(
    tensors: NamedTensors,
    ok: (tensor: Tensor) => boolean,
    { wanted, error }: { wanted: string; error: ErrorConstructor },
  ): void {
    for (const [name, tensor] of Object.entries(tensors)) {
      if (!tensor || ok(tensor)) continue;
      throw new error(
        `Cannot record ${this.#op}: ${name} is ${describeTensor(tensor)}, ` +
          `expected ${wanted}`,
      );
    }
  }
}
