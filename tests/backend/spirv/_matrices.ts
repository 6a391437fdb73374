/**
 * Matrices of the machine of _machine.ts. Each thread of a subgroup has
 * all numbers, row by row, and stores some.
 *
 * @module
 */

import { BITS_IN, bitsOf, ofBits } from "./_bits.ts";
import type { Accessor } from "./_memory.ts";
import { type MatrixType, nameOf, type Pointer, sizeOf } from "./_values.ts";

/** How a matrix lies in memory. */
export interface MatrixPlace {
  readonly pointer: Pointer;
  /** Whether neighbours in memory are of a row. */
  readonly isRows: boolean;
  /** From a row or column to the next, in elements of the array. */
  readonly stride: number;
}

/** Reads all numbers. */
export function loadMatrix(
  matrix: MatrixType,
  { pointer: { memory, at, type }, isRows, stride }: MatrixPlace,
  who: Accessor,
): number[] {
  const name = nameOf(matrix);
  const width: number = BITS_IN[name as keyof typeof BITS_IN];
  const toNext = stride * sizeOf(type) * 32 / width;
  return Array.from({ length: matrix.rows * matrix.columns }, (_, i) => {
    const row = Math.floor(i / matrix.columns), column = i % matrix.columns;
    const number = isRows ? row * toNext + column : column * toNext + row;
    const bit = number * width;
    const word = bitsOf(memory.read(at + (bit >>> 5), who), nameOf(type));
    return ofBits(width === 32 ? word : word >>> (bit & 31) & 0xffff, name);
  });
}

/** Writes the part of a thread, of numbers in f32. */
export function storeMatrix(
  numbers: readonly number[],
  { columns, place: { pointer: { memory, at, type }, isRows, stride }, lanes }:
    {
      columns: number;
      place: MatrixPlace;
      lanes: number;
    },
  who: Accessor,
): void {
  const toNext = stride * sizeOf(type);
  for (let i = who.thread % lanes; i < numbers.length; i += lanes) {
    const row = Math.floor(i / columns), column = i % columns;
    const number = isRows ? row * toNext + column : column * toNext + row;
    const leaf = ofBits(bitsOf(numbers[i], "f32"), nameOf(type));
    memory.write(at + number, leaf, who);
  }
}

/** `a * b + c`, of so many columns; sums are rounded once. */
export function multiplyAdd(
  [a, b, c]: readonly (readonly number[])[],
  { depth, columns }: { depth: number; columns: number },
): number[] {
  return c.map((sum, i) => {
    const row = Math.floor(i / columns) * depth, column = i % columns;
    for (let k = 0; k < depth; k++) sum += a[row + k] * b[k * columns + column];
    return Math.fround(sum);
  });
}
