/**
 * Functions that WGSL has.
 *
 * Source: https://www.w3.org/TR/WGSL/#builtin-functions.
 *
 * @module
 */

import { sameScalar, splat } from "./arithmetic.ts";
import type { Context } from "./context.ts";
import { rounded } from "./fold.ts";
import { GLSL, OP, SCOPE, SEMANTICS } from "./module/spirv.ts";
import type { Constant, Operand } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import {
  isFloat,
  isInteger,
  nameOf,
  type Scalar,
  scalarOf,
  SCALARS,
  sizeOf,
  vectorOf,
} from "./types.ts";
import { concrete, idOf, ofType } from "./values.ts";

/** Where a function is called. */
export interface CallSite {
  readonly context: Context;
  readonly at: number;
}

type Args = readonly Operand[];
type Builtin = (args: Args, site: CallSite) => Operand | undefined;

/** An instruction of the core, or one of GLSL.std.450. */
type Instruction = { readonly op: number } | { readonly glsl: number };
/** By what the numbers are. */
interface ByNumbers {
  readonly float?: Instruction;
  readonly i32?: Instruction;
  readonly u32?: Instruction;
}

const glsl = (glsl: number): Instruction => ({ glsl });

/** A function of numbers of one type, with a result of that type. */
function alike(
  count: number,
  by: ByNumbers,
  compute?: (...numbers: number[]) => number,
): Builtin {
  return (args, site) => {
    expectCount(args, count, site.at);
    const same = sameTypes(args, site.at);
    const { type } = same[0];
    const scalar = numberOf(same[0], site.at);
    if (compute && same.every((arg) => arg.kind === "constant")) {
      const known = computed(same as Constant[], compute, scalar);
      if (known) return known;
    }
    const values = same.map((arg) => concrete(arg, site.at));
    const name = numberOf(values[0], site.at).name;
    const instruction = isFloat(scalar)
      ? by.float
      : name === "i32"
      ? by.i32
      : by.u32;
    if (!instruction) {
      throw new SourceError(`it takes no ${nameOf(type)}`, site.at);
    }
    return applied(instruction, values, site);
  };
}

/** A function of fractions. */
function ofFloats(instruction: Instruction, count = 1): Builtin {
  return (args, site) => {
    const floats = args.map((arg) =>
      arg.kind === "constant" && scalarOf(arg.type)?.name === "int"
        ? ofType(arg, vectorOf(SCALARS.f32, sizeOf(arg.type)), site.at)
        : arg
    );
    return alike(count, { float: instruction })(floats, site);
  };
}

const FUNCTIONS: Readonly<Record<string, Builtin>> = {
  abs: (args, site) => {
    if (args.length === 1 && scalarOf(args[0].type)?.name === "u32") {
      return args[0];
    }
    const by = { float: glsl(GLSL.fAbs), i32: glsl(GLSL.sAbs) };
    return alike(1, by, Math.abs)(args, site);
  },
  min: alike(2, {
    float: glsl(GLSL.fMin),
    i32: glsl(GLSL.sMin),
    u32: glsl(GLSL.uMin),
  }, Math.min),
  max: alike(2, {
    float: glsl(GLSL.fMax),
    i32: glsl(GLSL.sMax),
    u32: glsl(GLSL.uMax),
  }, Math.max),
  clamp: alike(3, {
    float: glsl(GLSL.fClamp),
    i32: glsl(GLSL.sClamp),
    u32: glsl(GLSL.uClamp),
  }, (x, low, high) => Math.min(Math.max(x, low), high)),
  sign: alike(1, { float: glsl(GLSL.fSign), i32: glsl(GLSL.sSign) }, Math.sign),
  ceil: ofFloats(glsl(GLSL.ceil)),
  cos: ofFloats(glsl(GLSL.cos)),
  exp: ofFloats(glsl(GLSL.exp)),
  exp2: ofFloats(glsl(GLSL.exp2)),
  floor: ofFloats(glsl(GLSL.floor)),
  fma: ofFloats(glsl(GLSL.fma), 3),
  fract: ofFloats(glsl(GLSL.fract)),
  inverseSqrt: ofFloats(glsl(GLSL.inverseSqrt)),
  log: ofFloats(glsl(GLSL.log)),
  log2: ofFloats(glsl(GLSL.log2)),
  pow: ofFloats(glsl(GLSL.pow), 2),
  round: ofFloats(glsl(GLSL.roundEven)),
  sin: ofFloats(glsl(GLSL.sin)),
  sqrt: ofFloats(glsl(GLSL.sqrt)),
  tanh: ofFloats(glsl(GLSL.tanh)),
  trunc: ofFloats(glsl(GLSL.trunc)),
  countOneBits: alike(1, {
    i32: { op: OP.bitCount },
    u32: { op: OP.bitCount },
  }),
  reverseBits: alike(1, {
    i32: { op: OP.bitReverse },
    u32: { op: OP.bitReverse },
  }),
  mix: (args, site) => {
    expectCount(args, 3, site.at);
    const size = sizeOf(args[0].type);
    const [x, y, part] = args;
    return ofFloats(glsl(GLSL.fMix), 3)([x, y, splat(part, size, site)], site);
  },
  dot,
  select,
  any: reduction(OP.any),
  all: reduction(OP.all),
  pack2x16float: (args, site) => {
    expectCount(args, 1, site.at);
    const value = ofType(args[0], vectorOf(SCALARS.f32, 2), site.at);
    const { u32 } = SCALARS;
    return applied(glsl(GLSL.packHalf2x16), [value], site, u32);
  },
  unpack2x16float: (args, site) => {
    expectCount(args, 1, site.at);
    const value = ofType(args[0], SCALARS.u32, site.at);
    const type = vectorOf(SCALARS.f32, 2);
    return applied(glsl(GLSL.unpackHalf2x16), [value], site, type);
  },
  workgroupBarrier: barrier(SCOPE.workgroup, SEMANTICS.workgroup),
  storageBarrier: barrier(SCOPE.workgroup, SEMANTICS.storage),
  // The barrier is naga's, for what a subgroup keeps in workgroup memory.
  ...ofSubgroups({
    subgroupBarrier: barrier(SCOPE.subgroup, SEMANTICS.workgroup),
    subgroupShuffleXor: shuffleXor,
    subgroupAny: vote,
  }),
};

/** The function of a name, if WGSL has it and Hearth uses it. */
export function builtinFunction(name: string): Builtin | undefined {
  return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
}

/** @throws {SourceError} If there are more or fewer arguments. */
export function expectCount(args: Args, count: number, at: number): void {
  if (args.length === count) return;
  throw new SourceError(
    `expected ${count} arguments, found ${args.length}`,
    at,
  );
}

/** The arguments as ones of a type in common. */
function sameTypes(args: Args, at: number): Operand[] {
  const same = [...args];
  // Forward, the last knows the type of all; backward, the first does.
  for (let i = 1; i < same.length; i++) {
    [same[i - 1], same[i]] = sameScalar(same[i - 1], same[i], at);
  }
  for (let i = same.length - 1; i > 0; i--) {
    [same[i - 1], same[i]] = sameScalar(same[i - 1], same[i], at);
  }
  for (const { type } of same) {
    if (type === same[0].type) continue;
    throw new SourceError(
      `expected ${nameOf(same[0].type)}, found ${nameOf(type)}`,
      at,
    );
  }
  return same;
}

function numberOf({ type }: Operand, at: number): Scalar {
  const scalar = scalarOf(type);
  if (!scalar || scalar.name === "bool" || type.kind === "matrix") {
    throw new SourceError(`it takes no ${nameOf(type)}`, at);
  }
  return scalar;
}

function computed(
  args: readonly Constant[],
  compute: (...numbers: number[]) => number,
  { name }: Scalar,
): Constant | undefined {
  const numbers = args[0].numbers.map((_, i) =>
    rounded(compute(...args.map(({ numbers }) => numbers[i])), name)
  );
  if (numbers.some((number) => number === undefined)) return undefined;
  return { ...args[0], numbers: numbers as number[] };
}

function applied(
  instruction: Instruction,
  args: Args,
  { context, at }: CallSite,
  type = args[0].type,
): Operand {
  const { code, shader } = context;
  const ids = args.map((arg) => idOf(arg, context, at));
  const typeId = shader.module.type(type);
  const id = "glsl" in instruction
    ? code.glsl(instruction.glsl, typeId, ...ids)
    : code.value(instruction.op, typeId, ...ids);
  return { kind: "value", type, id };
}

function dot(args: Args, site: CallSite): Operand {
  expectCount(args, 2, site.at);
  const same = sameTypes(args, site.at).map((arg) => concrete(arg, site.at));
  const { type } = same[0];
  if (type.kind !== "vector" || !isFloat(type.of)) {
    throw new SourceError(`dot takes no ${nameOf(type)}`, site.at);
  }
  return applied({ op: OP.dot }, same, site, type.of);
}

/** `select(ifFalse, ifTrue, condition)`: both are computed. */
function select(args: Args, site: CallSite): Operand {
  const { at, context } = site;
  expectCount(args, 3, at);
  const [no, yes] = sameTypes(args.slice(0, 2), at)
    .map((arg) => concrete(arg, at));
  const condition = args[2];
  const { type } = no;
  const size = sizeOf(type);
  const conditions = sizeOf(condition.type);
  if (
    size === 0 || scalarOf(condition.type) !== SCALARS.bool ||
    (conditions !== size && conditions !== 1)
  ) {
    throw new SourceError(
      `select takes no ${nameOf(type)} by ${nameOf(condition.type)}`,
      at,
    );
  }
  if (condition.kind === "constant" && conditions === 1) {
    return condition.numbers[0] ? yes : no;
  }
  // SPIR-V 1.3 wants as many truths as there are numbers.
  const truths = splat(condition, size, { context, at });
  return applied({ op: OP.select }, [truths, yes, no], site, type);
}

function reduction(op: number): Builtin {
  return (args, site) => {
    expectCount(args, 1, site.at);
    const [{ type }] = args;
    if (type === SCALARS.bool) return args[0];
    if (type.kind !== "vector" || type.of !== SCALARS.bool) {
      throw new SourceError(`it takes no ${nameOf(type)}`, site.at);
    }
    return applied({ op }, args, site, SCALARS.bool);
  };
}

/** Functions that a shader asks for by an extension. */
function ofSubgroups(
  functions: Readonly<Record<string, Builtin>>,
): Record<string, Builtin> {
  return Object.fromEntries(
    Object.entries(functions).map(([name, builtin]): [string, Builtin] => [
      name,
      (args, site) => {
        if (site.context.shader.enables("subgroups")) {
          return builtin(args, site);
        }
        throw new SourceError(`${name} needs "enable subgroups;"`, site.at);
      },
    ]),
  );
}

/** Whether something is true for any thread of the subgroup. */
function vote(args: Args, site: CallSite): Operand {
  const { at, context: { code, shader: { module } } } = site;
  expectCount(args, 1, at);
  const [{ type }] = args;
  if (type !== SCALARS.bool) {
    throw new SourceError(`subgroupAny takes no ${nameOf(type)}`, at);
  }
  module.require("groupNonUniformVote");
  const condition = idOf(args[0], site.context, at);
  const id = code.value(
    OP.groupNonUniformAny,
    module.type(type),
    module.u32(SCOPE.subgroup),
    condition,
  );
  return { kind: "value", type, id };
}

/** The value that thread `number ^ mask` of the subgroup has. */
function shuffleXor(args: Args, site: CallSite): Operand {
  const { at, context: { code, shader: { module } } } = site;
  expectCount(args, 2, at);
  const value = concrete(args[0], at);
  numberOf(value, at);
  const { type } = value;
  module.require("groupNonUniformShuffle");
  const ids = [value, ofType(args[1], SCALARS.u32, at)]
    .map((arg) => idOf(arg, site.context, at));
  const id = code.value(
    OP.groupNonUniformShuffleXor,
    module.type(type),
    module.u32(SCOPE.subgroup),
    ...ids,
  );
  return { kind: "value", type, id };
}

/** All threads within a reach wait, and then see what the others wrote. */
function barrier(reach: number, memory: number): Builtin {
  return (args, { context: { code, shader: { module } }, at }) => {
    expectCount(args, 0, at);
    const scope = module.u32(reach);
    const semantics = module.u32(SEMANTICS.acquireRelease | memory);
    code.effect(OP.controlBarrier, scope, scope, semantics);
    return undefined;
  };
}

/** Whether an operand is an integer: an index, or a choice. */
export function isIndex({ type }: Operand): boolean {
  return type.kind === "scalar" && isInteger(type);
}
