/**
 * What an expression gives: a constant, a value, or a place in memory.
 *
 * @module
 */

import type { StorageClass } from "./module/module.ts";
import type { Scalar, Type, Vector } from "./types.ts";

/** A number or truth (0 or 1), or some of them, known now. */
export interface Constant {
  readonly kind: "constant";
  readonly type: Scalar | Vector;
  readonly numbers: readonly number[];
}

/** What an instruction gave. */
export interface Value {
  readonly kind: "value";
  readonly type: Type;
  readonly id: number;
}

/** A variable, or a part of it. */
export interface Reference {
  readonly kind: "reference";
  readonly type: Type;
  readonly variable: Variable;
  /** Ids of the indices that lead from the variable here. */
  readonly path: readonly number[];
  /** Of a number of a vector: the vector, and which of its numbers. */
  readonly component?: { readonly vector: Reference; readonly index: Operand };
}

/** Any of them. */
export type Operand = Constant | Value | Reference;

/** A variable of a function or of a shader. */
export interface Variable {
  readonly name: string;
  readonly id: number;
  readonly storage: StorageClass;
  readonly isWritable: boolean;
  /** Whether anything is ever done to it; set as the code is made. */
  isRead: boolean;
  isWritten: boolean;
}

/** One number known now. */
export function constant(type: Scalar, number: number): Constant {
  return { kind: "constant", type, numbers: [number] };
}
