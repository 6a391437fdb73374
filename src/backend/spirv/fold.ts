/**
 * Arithmetic on what is known while compiling.
 *
 * @module
 */

import type { BinaryOperator } from "./syntax/syntax.ts";
import type { ScalarName } from "./types.ts";

/**
 * The number of a type that is nearest, or undefined if there is none, as is
 * the case for what is not finite. Integers wrap around.
 */
export function rounded(number: number, type: ScalarName): number | undefined {
  switch (type) {
    case "bool":
      return Number(number !== 0);
    case "u32":
      return number >>> 0;
    case "i32":
      return number | 0;
    case "f32":
      return finite(Math.fround(number));
    case "f16":
      return finite(Math.f16round(number));
    case "bf16":
      return undefined;
    case "u64":
      return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
    case "int":
      return Number.isSafeInteger(number) ? number : undefined;
    case "float":
      return finite(number);
  }
}

/** Whether an integer without a type can be one of this type. */
export function fits(number: number, type: ScalarName): boolean {
  if (type === "u32") return number >= 0 && number <= 0xffffffff;
  if (type === "i32") return number >= -0x80000000 && number <= 0x7fffffff;
  return rounded(number, type) !== undefined;
}

/** A number as the words of a module have it, but for those of 64 bits. */
export function bitsOf(number: number, type: ScalarName): number {
  switch (type) {
    case "f32":
      return new Uint32Array(Float32Array.of(number).buffer)[0];
    case "f16":
      return new Uint16Array(Float16Array.of(number).buffer)[0];
    default:
      return number >>> 0;
  }
}

/** The number of a type that has such bits. */
export function ofBits(bits: number, type: ScalarName): number {
  if (type === "f32") return new Float32Array(Uint32Array.of(bits).buffer)[0];
  return type === "i32" ? bits | 0 : bits >>> 0;
}

/** `a operator b` of one type, or undefined if it is not to be computed now. */
export function fold(
  operator: BinaryOperator,
  [a, b]: readonly [number, number],
  type: ScalarName,
): number | undefined {
  if (type === "u64" && !/^[-+*]$|^[<>=!]=?$/.test(operator)) return undefined;
  const isInteger = type === "u32" || type === "i32" || type === "int";
  const isTyped = type === "u32" || type === "i32";
  switch (operator) {
    case "+":
      return rounded(a + b, type);
    case "-":
      return rounded(a - b, type);
    case "*":
      return rounded(isTyped ? Math.imul(a, b) : a * b, type);
    case "/":
      if (isInteger) {
        return b === 0 ? undefined : rounded(Math.trunc(a / b), type);
      }
      return rounded(a / b, type);
    case "%":
      return b === 0 ? undefined : rounded(a % b, type);
    case "<<":
      return type === "int" ? rounded(a * 2 ** b, type) : rounded(a << b, type);
    case ">>":
      if (type === "int") return Math.floor(a / 2 ** b);
      return type === "u32" ? a >>> b : a >> b;
    case "&":
      return rounded(a & b, type === "int" ? "i32" : type);
    case "|":
      return rounded(a | b, type === "int" ? "i32" : type);
    case "^":
      return rounded(a ^ b, type === "int" ? "i32" : type);
    case "<":
      return Number(a < b);
    case ">":
      return Number(a > b);
    case "<=":
      return Number(a <= b);
    case ">=":
      return Number(a >= b);
    case "==":
      return Number(a === b);
    case "!=":
      return Number(a !== b);
    case "&&":
      return a & b;
    case "||":
      return a | b;
  }
}

function finite(number: number): number | undefined {
  return Number.isFinite(number) ? number : undefined;
}
