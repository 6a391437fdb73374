/**
 * Operators. What is known is computed now; of integers, also what changes
 * nothing is left out.
 *
 * @module
 */

import type { Context } from "./context.ts";
import { fold, rounded } from "./fold.ts";
import { OP } from "./module/spirv.ts";
import type { Constant, Operand, Value } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type { BinaryOperator } from "./syntax/syntax.ts";
import {
  isAbstract,
  isFloat,
  isInteger,
  nameOf,
  type Scalar,
  scalarOf,
  SCALARS,
  sizeOf,
  type Type,
  vectorOf,
} from "./types.ts";
import { concrete, idOf, retyped } from "./values.ts";

/** Instructions for unsigned, signed, fractions and truths. */
type Instructions = readonly [
  u32: number | undefined,
  i32: number | undefined,
  float: number | undefined,
  bool: number | undefined,
];

const none = undefined;
const INSTRUCTIONS: Readonly<Record<BinaryOperator, Instructions>> = {
  "+": [OP.iAdd, OP.iAdd, OP.fAdd, none],
  "-": [OP.iSub, OP.iSub, OP.fSub, none],
  "*": [OP.iMul, OP.iMul, OP.fMul, none],
  "/": [OP.uDiv, OP.sDiv, OP.fDiv, none],
  "%": [OP.uMod, OP.sRem, OP.fRem, none],
  "<<": [OP.shiftLeftLogical, OP.shiftLeftLogical, none, none],
  ">>": [OP.shiftRightLogical, OP.shiftRightArithmetic, none, none],
  "&": [OP.bitwiseAnd, OP.bitwiseAnd, none, OP.logicalAnd],
  "|": [OP.bitwiseOr, OP.bitwiseOr, none, OP.logicalOr],
  "^": [OP.bitwiseXor, OP.bitwiseXor, none, none],
  "<": [OP.uLessThan, OP.sLessThan, OP.fOrdLessThan, none],
  ">": [OP.uGreaterThan, OP.sGreaterThan, OP.fOrdGreaterThan, none],
  "<=": [OP.uLessThanEqual, OP.sLessThanEqual, OP.fOrdLessThanEqual, none],
  ">=": [
    OP.uGreaterThanEqual,
    OP.sGreaterThanEqual,
    OP.fOrdGreaterThanEqual,
    none,
  ],
  "==": [OP.iEqual, OP.iEqual, OP.fOrdEqual, OP.logicalEqual],
  "!=": [OP.iNotEqual, OP.iNotEqual, OP.fUnordNotEqual, OP.logicalNotEqual],
  "&&": [none, none, none, OP.logicalAnd],
  "||": [none, none, none, OP.logicalOr],
};

const COMPARES = new Set(["<", ">", "<=", ">=", "==", "!="]);
const SHIFTS = new Set(["<<", ">>"]);

/** `left operator right`. @throws {SourceError} If types do not fit. */
export function binary(
  operator: BinaryOperator,
  [left, right]: readonly [Operand, Operand],
  { context, at }: { context: Context; at: number },
): Operand {
  const wrong = () =>
    new SourceError(
      `${nameOf(left.type)} ${operator} ${nameOf(right.type)} has no meaning`,
      at,
    );
  const isShift = SHIFTS.has(operator);
  const [a, b] = isShift
    ? [left, typedShift(left, right, at)]
    : sameScalar(left, right, at);
  if (a.type.kind === "matrix" || b.type.kind === "matrix") {
    return matrixArithmetic(operator, [a, b], { context, wrong, at });
  }
  const scalar = scalarOf(a.type);
  const sizeA = sizeOf(a.type), sizeB = sizeOf(b.type);
  const size = Math.max(sizeA, sizeB);
  const isMixed = sizeA !== sizeB;
  if (!scalar || !scalarOf(b.type)) throw wrong();
  if (!isShift && scalar !== scalarOf(b.type)) throw wrong();
  const isComparison = COMPARES.has(operator);
  const mayMix = "+-*/%".includes(operator) && Math.min(sizeA, sizeB) === 1;
  if (isMixed && !mayMix) throw wrong();
  const instruction = instructionOf(operator, scalar);
  if (instruction === undefined) throw wrong();
  const type = vectorOf(isComparison ? SCALARS.bool : scalar, size);
  const known = folded(operator, [a, b], { type, scalar });
  if (known) return known;
  const same = neutral(operator, [a, b], { type, scalar });
  if (same) return same;
  const { module } = context.shader;
  if (operator === "*" && isMixed && isFloat(scalar)) {
    const [vector, factor] = sizeA > 1 ? [a, b] : [b, a];
    const vectorId = idOf(vector, context, at);
    const factorId = idOf(factor, context, at);
    return {
      kind: "value",
      type,
      id: context.code.value(
        OP.vectorTimesScalar,
        module.type(type),
        vectorId,
        factorId,
      ),
    };
  }
  const idA = idOf(splat(a, size, { context, at }), context, at);
  const idB = idOf(splat(b, size, { context, at }), context, at);
  return {
    kind: "value",
    type,
    id: context.code.value(instruction, module.type(type), idA, idB),
  };
}

/** `-x`, `!x` or `~x`. @throws {SourceError} If the type does not fit. */
export function unary(
  operator: "-" | "!" | "~",
  operand: Operand,
  { context, at }: { context: Context; at: number },
): Operand {
  const scalar = scalarOf(operand.type);
  const fits = scalar && operand.type.kind !== "matrix" &&
    (operator === "-"
      ? isFloat(scalar) || scalar.name === "i32" || scalar.name === "int"
      : operator === "!"
      ? scalar.name === "bool"
      : isInteger(scalar));
  if (!fits) {
    throw new SourceError(
      `${operator}${nameOf(operand.type)} has no meaning`,
      at,
    );
  }
  if (operand.kind === "constant") {
    const numbers = operand.numbers.map((x) =>
      rounded(
        operator === "-" ? -x : operator === "!" ? 1 - x : ~x,
        scalar.name,
      )
    );
    if (numbers.every((x) => x !== undefined)) return { ...operand, numbers };
  }
  const instruction = operator === "-"
    ? isFloat(scalar) ? OP.fNegate : OP.sNegate
    : operator === "!"
    ? OP.logicalNot
    : OP.not;
  return {
    kind: "value",
    type: operand.type,
    id: context.code.value(
      instruction,
      context.shader.module.type(operand.type),
      idOf(operand, context, at),
    ),
  };
}

/** A number as a vector of so many times the same. */
export function splat(
  operand: Operand,
  size: number,
  { context, at }: { context: Context; at: number },
): Operand {
  if (size === 1 || operand.type.kind !== "scalar") return operand;
  const type = vectorOf(operand.type, size);
  if (operand.kind === "constant") {
    const numbers = Array<number>(size).fill(operand.numbers[0]);
    return { kind: "constant", type: type as Constant["type"], numbers };
  }
  const id = idOf(operand, context, at);
  return {
    kind: "value",
    type,
    id: context.code.value(
      OP.compositeConstruct,
      context.shader.module.type(type),
      ...Array<number>(size).fill(id),
    ),
  };
}

/** Two operands of which a literal without a type takes that of the other. */
export function sameScalar<A extends Operand, B extends Operand>(
  a: A,
  b: B,
  at: number,
): [A, B] {
  const ofA = scalarOf(a.type), ofB = scalarOf(b.type);
  if (!ofA || !ofB || ofA === ofB) return [a, b];
  const to = !isAbstract(ofA) ? ofA : !isAbstract(ofB) ? ofB : SCALARS.float;
  const changed = <T extends Operand>(operand: T): T =>
    operand.kind === "constant" && isAbstract(scalarOf(operand.type)!)
      ? retyped(operand, to, at) as T
      : operand;
  return [changed(a), changed(b)];
}

function instructionOf(
  operator: BinaryOperator,
  scalar: Scalar,
): number | undefined {
  const [u32, i32, float, bool] = INSTRUCTIONS[operator];
  switch (scalar.name) {
    case "u32":
    case "u64":
      return u32;
    case "i32":
    case "int":
      return i32;
    case "bool":
      return bool;
    case "f32":
    case "f16":
    case "float":
      return float;
    case "bf16":
      return undefined;
  }
}

/** Bits are shifted by a u32. */
function typedShift(left: Operand, right: Operand, at: number): Operand {
  const by = scalarOf(right.type);
  if (right.kind === "constant" && by?.name === "int") {
    return retyped(right, SCALARS.u32, at);
  }
  if (by !== SCALARS.u32) {
    throw new SourceError(
      `${nameOf(left.type)} is shifted by ${nameOf(right.type)}, not by u32`,
      at,
    );
  }
  return right;
}

function folded(
  operator: BinaryOperator,
  [a, b]: readonly [Operand, Operand],
  { type, scalar }: {
    type: Scalar | ReturnType<typeof vectorOf>;
    scalar: Scalar;
  },
): Constant | undefined {
  if (a.kind !== "constant" || b.kind !== "constant") return undefined;
  const numbers: number[] = [];
  for (let i = 0; i < sizeOf(type); i++) {
    const pair = [at(a, i), at(b, i)] as const;
    const number = fold(operator, pair, scalar.name);
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  return { kind: "constant", type, numbers };
}

/** The number for a component; a scalar has one for all. */
function at({ numbers }: Constant, i: number): number {
  return numbers[numbers.length === 1 ? 0 : i];
}

/** The operand that is the result, if one is: `x + 0`, `x * 1`, `x & true`. */
function neutral(
  operator: BinaryOperator,
  [a, b]: readonly [Operand, Operand],
  { type, scalar }: {
    type: Scalar | ReturnType<typeof vectorOf>;
    scalar: Scalar;
  },
): Operand | undefined {
  if (!isInteger(scalar) && scalar.name !== "bool") return undefined;
  const only = (operand: Operand, number: number) =>
    operand.kind === "constant" && operand.numbers.every((x) => x === number);
  const keeps = (operand: Operand) => operand.type === type;
  switch (operator) {
    case "+":
    case "|":
    case "^":
      if (only(b, 0) && keeps(a)) return a;
      return only(a, 0) && keeps(b) ? b : undefined;
    case "-":
    case "<<":
    case ">>":
      return only(b, 0) && keeps(a) ? a : undefined;
    case "*":
      if (only(b, 1) && keeps(a)) return a;
      if (only(a, 1) && keeps(b)) return b;
      return only(a, 0) || only(b, 0) ? zeros(type) : undefined;
    case "/":
      return only(b, 1) && keeps(a) ? a : undefined;
    case "%":
      return only(b, 1) ? zeros(type) : undefined;
    case "&&":
      return only(b, 1) ? a : only(a, 1) ? b : undefined;
    case "||":
      return only(b, 0) ? a : only(a, 0) ? b : undefined;
  }
}

/** Zeros of a type. */
export function zeros(type: Constant["type"]): Constant {
  return {
    kind: "constant",
    type,
    numbers: Array<number>(sizeOf(type)).fill(0),
  };
}

/** Matrices are added up by their numbers, and multiplied by one number. */
function matrixArithmetic(
  operator: BinaryOperator,
  [a, b]: readonly [Operand, Operand],
  { context, wrong, at }: {
    context: Context;
    wrong: () => SourceError;
    at: number;
  },
): Value {
  const result = (type: Type, op: number, x: Operand, y: Operand): Value => ({
    kind: "value",
    type,
    id: context.code.value(
      op,
      context.shader.module.type(type),
      idOf(concrete(x, at), context, at),
      idOf(concrete(y, at), context, at),
    ),
  });
  const scalar = scalarOf(a.type)!;
  if (a.type === b.type) {
    const op = "+-*/".includes(operator) && instructionOf(operator, scalar);
    if (!op) throw wrong();
    return result(a.type, op, a, b);
  }
  if (operator !== "*" || scalar !== scalarOf(b.type)) throw wrong();
  if (b.type.kind === "scalar") {
    return result(a.type, OP.matrixTimesScalar, a, b);
  }
  if (a.type.kind !== "scalar") throw wrong();
  return result(b.type, OP.matrixTimesScalar, b, a);
}
