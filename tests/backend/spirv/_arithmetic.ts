/**
 * What instructions of SPIR-V compute, one number at a time.
 *
 * @module
 */

import { GLSL } from "../../../src/backend/spirv/module/spirv.ts";
import type { Instruction } from "./_reader.ts";

/** A number, or a truth; u64 is a bigint. */
// deno-lint-ignore no-explicit-any
type Leaf = any;
type Compute = (...operands: Leaf[]) => Leaf;

const f = Math.fround;
const u = (x: number) => x >>> 0;
const big = (x: Leaf) => typeof x === "bigint";
const wrap = (x: bigint) => BigInt.asUintN(64, x);
/** The lesser or greater one; what is not a number gives way. */
const least: Compute = (a, b) => a !== a ? b : b !== b ? a : Math.min(a, b);
const most: Compute = (a, b) => a !== a ? b : b !== b ? a : Math.max(a, b);

/** Of each number apart; the result has to be made one of its type. */
export const EACH: Readonly<
  Partial<Record<Instruction["op"], Compute>>
> = {
  sNegate: (a) => -a,
  fNegate: (a) => -a,
  iAdd: (a, b) => a + b,
  fAdd: (a, b) => f(a + b),
  iSub: (a, b) => a - b,
  fSub: (a, b) => f(a - b),
  iMul: (a, b) => big(a) ? a * b : Math.imul(a, b),
  fMul: (a, b) => f(a * b),
  uDiv: (a, b) => Math.floor(a / b),
  sDiv: (a, b) => Math.trunc(a / b),
  fDiv: (a, b) => f(a / b),
  uMod: (a, b) => a % b,
  sRem: (a, b) => a % b,
  fRem: (a, b) => f(a % b),
  logicalEqual: (a, b) => a === b,
  logicalNotEqual: (a, b) => a !== b,
  logicalOr: (a, b) => a || b,
  logicalAnd: (a, b) => a && b,
  logicalNot: (a) => !a,
  select: (which, yes, no) => which ? yes : no,
  iEqual: (a, b) => a === b,
  iNotEqual: (a, b) => a !== b,
  uGreaterThan: (a, b) => a > b,
  sGreaterThan: (a, b) => a > b,
  uGreaterThanEqual: (a, b) => a >= b,
  sGreaterThanEqual: (a, b) => a >= b,
  uLessThan: (a, b) => a < b,
  sLessThan: (a, b) => a < b,
  uLessThanEqual: (a, b) => a <= b,
  sLessThanEqual: (a, b) => a <= b,
  fOrdEqual: (a, b) => a === b,
  fUnordNotEqual: (a, b) => a !== b,
  fOrdLessThan: (a, b) => a < b,
  fOrdGreaterThan: (a, b) => a > b,
  fOrdLessThanEqual: (a, b) => a <= b,
  fOrdGreaterThanEqual: (a, b) => a >= b,
  shiftRightLogical: (a, b) => big(a) ? a >> BigInt(b) : u(a) >>> within(b),
  shiftRightArithmetic: (a, b) => a >> within(b),
  shiftLeftLogical: (a, b) => big(a) ? wrap(a << BigInt(b)) : a << within(b),
  bitwiseOr: (a, b) => a | b,
  bitwiseXor: (a, b) => a ^ b,
  bitwiseAnd: (a, b) => a & b,
  not: (a) => ~a,
  convertFToU: (a) => inside(Math.trunc(a), 0, 2 ** 32),
  convertFToS: (a) => inside(Math.trunc(a), -(2 ** 31), 2 ** 31),
  convertSToF: f,
  convertUToF: f,
  uConvert: (a) => big(a) ? Number(BigInt.asUintN(32, a)) : BigInt(u(a)),
  sConvert: (a) => wrap(BigInt(a)),
  fConvert: f,
};

/** Functions of GLSL.std.450. */
export const EACH_GLSL: Readonly<Partial<Record<number, Compute>>> = {
  [GLSL.roundEven]: roundEven,
  [GLSL.fAbs]: Math.abs,
  [GLSL.sAbs]: Math.abs,
  [GLSL.fSign]: Math.sign,
  [GLSL.sSign]: Math.sign,
  [GLSL.floor]: Math.floor,
  [GLSL.ceil]: Math.ceil,
  [GLSL.trunc]: Math.trunc,
  [GLSL.fract]: (a) => f(a - Math.floor(a)),
  [GLSL.exp]: (a) => f(Math.exp(a)),
  [GLSL.log]: (a) => f(Math.log(a)),
  [GLSL.exp2]: (a) => f(2 ** a),
  [GLSL.log2]: (a) => f(Math.log2(a)),
  [GLSL.pow]: (a, b) => f(a ** b),
  [GLSL.sqrt]: (a) => f(Math.sqrt(a)),
  [GLSL.inverseSqrt]: (a) => f(1 / Math.sqrt(a)),
  [GLSL.tanh]: (a) => f(Math.tanh(a)),
  [GLSL.fMin]: least,
  [GLSL.uMin]: Math.min,
  [GLSL.sMin]: Math.min,
  [GLSL.fMax]: most,
  [GLSL.uMax]: Math.max,
  [GLSL.sMax]: Math.max,
  [GLSL.fClamp]: (a, low, high) => least(most(a, low), high),
  [GLSL.uClamp]: (a, low, high) => Math.min(Math.max(a, low), high),
  [GLSL.sClamp]: (a, low, high) => Math.min(Math.max(a, low), high),
  [GLSL.fMix]: (a, b, part) => f(a * (1 - part) + b * part),
  [GLSL.fma]: (a, b, c) => f(a * b + c),
};

/** Instructions that SPIR-V leaves undefined for such numbers. */
function within(bits: number): number {
  return inside(bits, 0, 32);
}

function inside(number: number, from: number, below: number): number {
  if (number >= from && number < below) return number;
  throw new Error(`${number} is undefined here`);
}

function roundEven(x: number): number {
  const down = Math.floor(x), rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
