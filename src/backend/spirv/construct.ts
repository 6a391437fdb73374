/**
 * Types that are called: conversions, vectors from their numbers, structs.
 *
 * @module
 */

import { zeros } from "./arithmetic.ts";
import type { Context } from "./context.ts";
import { bitsOf, fits, ofBits, rounded } from "./fold.ts";
import { OP } from "./module/spirv.ts";
import type { Constant, Operand } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
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
  type Vector,
  vectorOf,
} from "./types.ts";
import { concrete, idOf, ofType } from "./values.ts";

interface Site {
  readonly context: Context;
  readonly at: number;
}

/** `type(args)`. @throws {SourceError} */
export function construct(
  type: Type,
  args: readonly Operand[],
  site: Site,
): Operand {
  if (args.length === 0) return zero(type, site);
  switch (type.kind) {
    case "scalar":
      if (args.length !== 1 || sizeOf(args[0].type) !== 1) break;
      return converted(args[0], type, site);
    case "vector":
      return vector(type, args, site);
    case "struct":
      return parts(type, args, {
        types: type.members.map((member) => member.type),
        site,
      });
    case "array":
      return parts(type, args, {
        types: Array<Type>(type.length ?? 0).fill(type.of),
        site,
      });
    case "matrix":
      if (args.length !== 1) break;
      return matrix(type, args[0], site);
  }
  throw new SourceError(
    `${nameOf(type)} is not made of ${
      args.map(({ type }) => nameOf(type)).join(", ")
    }`,
    site.at,
  );
}

/** A vector of the size and of the scalar that its numbers have. */
export function vectorOfArguments(
  size: number,
  args: readonly Operand[],
  site: Site,
): Operand {
  const scalars = args.map(({ type }) => scalarOf(type));
  const typed = scalars.find((scalar) => scalar && !isAbstract(scalar));
  const of = typed ??
    (scalars.includes(SCALARS.float) ? SCALARS.float : scalars[0]);
  if (!of) throw new SourceError(`vec${size} of what is not known`, site.at);
  return vector(vectorOf(of, size) as Vector, args, site);
}

/** Zeros of any type. */
export function zero(type: Type, { context }: Site): Operand {
  if (type.kind === "scalar" || type.kind === "vector") return zeros(type);
  return { kind: "value", type, id: context.shader.module.zero(type) };
}

const BITS: Partial<Record<Scalar["name"], number>> = {
  ...{ f32: 32, u32: 32, i32: 32, f16: 16 },
};

/** Bits of a number or vector that can be taken for another; 0 for others. */
function bitsIn(type: Type): number {
  const scalar = type.kind === "matrix" ? undefined : scalarOf(type);
  return scalar ? sizeOf(type) * (BITS[scalar.name] ?? 0) : 0;
}

/** `bitcast<type>(operand)`. @throws {SourceError} */
export function bitcast(type: Type, operand: Operand, site: Site): Operand {
  const { at } = site;
  const from = concrete(operand, at);
  const scalar = scalarOf(type), before = scalarOf(from.type);
  const bits = bitsIn(type);
  if (bits === 0 || bits !== bitsIn(from.type)) {
    throw new SourceError(
      `${nameOf(from.type)} has not the bits of ${nameOf(type)}`,
      at,
    );
  }
  if (type === from.type) return from;
  if (from.kind === "constant" && sizeOf(type) === sizeOf(from.type)) {
    const numbers = from.numbers.map((number) =>
      ofBits(bitsOf(number, before!.name), scalar!.name)
    );
    if (numbers.every(Number.isFinite)) {
      return { kind: "constant", type: type as Constant["type"], numbers };
    }
  }
  return instruction(OP.bitcast, type, [from], site);
}

function vector(
  type: Vector,
  args: readonly Operand[],
  site: Site,
): Operand {
  const { at } = site;
  if (args.length === 1) {
    const [only] = args;
    if (only.type.kind === "vector" && only.type.size === type.size) {
      return converted(only, type, site);
    }
    if (only.type.kind === "scalar") {
      return vector(
        type,
        Array<Operand>(type.size).fill(
          ofScalar(only, type.of, at),
        ),
        site,
      );
    }
  }
  const count = args.reduce((sum, { type }) => sum + sizeOf(type), 0);
  if (count !== type.size || args.some(({ type }) => sizeOf(type) === 0)) {
    throw new SourceError(
      `${nameOf(type)} is not made of ${
        args.map(({ type }) => nameOf(type)).join(", ")
      }`,
      at,
    );
  }
  const numbers = args.map((arg) => ofScalar(arg, type.of, at));
  if (numbers.every((arg) => arg.kind === "constant")) {
    return {
      kind: "constant",
      type,
      numbers: numbers.flatMap(({ numbers }) => numbers),
    };
  }
  return instruction(OP.compositeConstruct, type, numbers, site);
}

/** A number or vector of numbers of a scalar, where only literals change. */
function ofScalar(operand: Operand, scalar: Scalar, at: number): Operand {
  const size = sizeOf(operand.type);
  return size === 0 ? operand : ofType(operand, vectorOf(scalar, size), at);
}

function parts(
  type: Type,
  args: readonly Operand[],
  { types, site }: { types: readonly Type[]; site: Site },
): Operand {
  if (args.length !== types.length) {
    throw new SourceError(
      `${nameOf(type)} has ${types.length} parts, found ${args.length}`,
      site.at,
    );
  }
  const values = args.map((arg, i) => ofType(arg, types[i], site.at));
  return instruction(OP.compositeConstruct, type, values, site);
}

/** A matrix of one number, or of those of another matrix. */
function matrix(
  type: Type & { kind: "matrix" },
  operand: Operand,
  site: Site,
): Operand {
  if (operand.type.kind !== "matrix") {
    const value = ofType(operand, type.of, site.at);
    if (value.kind === "constant") {
      const id = idOf(value, site.context, site.at);
      const { module } = site.context.shader;
      return { kind: "value", type, id: module.composite(type, [id]) };
    }
    return instruction(OP.compositeConstruct, type, [value], site);
  }
  const from = operand.type;
  if (
    from.rows !== type.rows || from.columns !== type.columns ||
    from.use !== type.use
  ) {
    throw new SourceError(
      `expected ${nameOf(type)}, found ${nameOf(from)}`,
      site.at,
    );
  }
  if (from === type) return operand;
  return instruction(OP.fConvert, type, [operand], site);
}

/** The same numbers in another type. */
function converted(
  operand: Operand,
  type: Scalar | Vector,
  site: Site,
): Operand {
  if (operand.type === type) return operand;
  const to = scalarOf(type)!;
  const from = scalarOf(operand.type)!;
  if (operand.kind === "constant") {
    const numbers = operand.numbers.map((number) =>
      convertedNumber(number, { from, to, at: site.at })
    );
    if (numbers.every((number) => number !== undefined)) {
      return { kind: "constant", type, numbers };
    }
  }
  const value = concrete(operand, site.at);
  if (value.type === type) return value;
  const scalar = scalarOf(value.type)!;
  if (to.name === "bool") {
    const none = zeros(value.type as Constant["type"]);
    const op = isFloat(scalar) ? OP.fUnordNotEqual : OP.iNotEqual;
    return instruction(op, type, [value, none], site);
  }
  if (scalar.name === "bool") {
    const no = zeros(type);
    const yes: Constant = { ...no, numbers: no.numbers.map(() => 1) };
    return instruction(OP.select, type, [value, yes, no], site);
  }
  return instruction(conversion(scalar, to), type, [value], site);
}

function convertedNumber(
  number: number,
  { from, to, at }: { from: Scalar; to: Scalar; at: number },
): number | undefined {
  if (isAbstract(from) && !fits(number, to.name)) {
    throw new SourceError(`${number} is no ${to.name}`, at);
  }
  if (isFloat(from) && isInteger(to)) {
    const whole = Math.trunc(number);
    return fits(whole, to.name) ? whole : undefined;
  }
  return rounded(number, to.name);
}

function conversion(from: Scalar, to: Scalar): number {
  if (isFloat(to)) {
    if (isFloat(from)) return OP.fConvert;
    return from.name === "i32" ? OP.convertSToF : OP.convertUToF;
  }
  if (isFloat(from)) {
    return to.name === "i32" ? OP.convertFToS : OP.convertFToU;
  }
  // Of a signed number, the sign fills the upper half.
  if (from.name === "i32" && to.name === "u64") return OP.sConvert;
  return wide(from) === wide(to) ? OP.bitcast : OP.uConvert;
}

function wide({ name }: Scalar): boolean {
  return name === "u64";
}

function instruction(
  op: number,
  type: Type,
  args: readonly Operand[],
  { context, at }: Site,
): Operand {
  const ids = args.map((arg) => idOf(arg, context, at));
  const typeId = context.shader.module.type(type);
  return { kind: "value", type, id: context.code.value(op, typeId, ...ids) };
}
