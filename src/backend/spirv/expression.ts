/**
 * Expressions as code.
 *
 * @module
 */

import { binary, unary } from "./arithmetic.ts";
import { builtinFunction, isIndex } from "./builtin_functions.ts";
import { bitcast, construct, vectorOfArguments } from "./construct.ts";
import { type Context, typeNamed } from "./context.ts";
import { callMatrixFunction, isMatrixFunction } from "./matrices.ts";
import { OP } from "./module/spirv.ts";
import { constant, type Operand, type Reference } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type { Call, Expression } from "./syntax/syntax.ts";
import { isFloat, nameOf, SCALARS, vectorOf } from "./types.ts";
import { concrete, idOf, loaded, ofType } from "./values.ts";

/** What an expression is worth: never a place in memory. */
export function evaluate(
  expression: Expression,
  context: Context,
): Exclude<Operand, Reference> {
  return loaded(locate(expression, context), context, expression.at);
}

/** A call that may have no result. @throws {SourceError} */
export function call(
  { callee, args, at }: Call,
  context: Context,
): Operand | undefined {
  const { name } = callee;
  const { shader, code } = context;
  const site = { context, at };
  const fn = shader.findFunction(name);
  if (fn) {
    if (fn.parameters.length !== args.length) {
      throw new SourceError(
        `"${name}" takes ${fn.parameters.length} arguments, found ${args.length}`,
        at,
      );
    }
    const ids = args.map((arg, i) => {
      const value = ofType(evaluate(arg, context), fn.parameters[i], arg.at);
      return idOf(value, context, arg.at);
    });
    const { result } = fn;
    const type = shader.module.resultType(result);
    const id = code.value(OP.functionCall, type, fn.id, ...ids);
    return result && { kind: "value", type: result, id };
  }
  if (isMatrixFunction(name)) {
    const operands = args.map((arg) =>
      arg.kind === "unary" && arg.operator === "&"
        ? locate(arg.operand, context)
        : evaluate(arg, context)
    );
    return callMatrixFunction(callee, operands, site);
  }
  const values = args.map((arg) => evaluate(arg, context));
  if (name === "bitcast") {
    const [to, ...more] = callee.args ?? [];
    if (to?.kind !== "name" || more.length > 0 || values.length !== 1) {
      throw new SourceError("expected bitcast<type>(value)", at);
    }
    return bitcast(typeNamed(to, shader), values[0], site);
  }
  const type = shader.findType(callee);
  if (type) return construct(type, values, site);
  const size = /^vec([234])$/.exec(name);
  if (size) return vectorOfArguments(Number(size[1]), values, site);
  const builtin = builtinFunction(name);
  if (!builtin) throw new SourceError(`there is no function "${name}"`, at);
  return builtin(values, site);
}

/** An expression as it is: a place in memory is not read. */
export function locate(expression: Expression, context: Context): Operand {
  const { at } = expression;
  switch (expression.kind) {
    case "number":
      return ofType(
        constant(
          isFloat(SCALARS[expression.type]) ? SCALARS.float : SCALARS.int,
          expression.value,
        ),
        SCALARS[expression.type],
        at,
      );
    case "bool":
      return constant(SCALARS.bool, Number(expression.value));
    case "name": {
      const found = context.scope.find(expression.name) ??
        context.shader.findGlobal(expression.name);
      if (!found) {
        throw new SourceError(`"${expression.name}" is not declared`, at);
      }
      return found;
    }
    case "unary": {
      const { operator } = expression;
      if (operator === "&") {
        throw new SourceError("pointers are for matrices alone", at);
      }
      const operand = evaluate(expression.operand, context);
      return unary(operator, operand, { context, at });
    }
    case "binary": {
      const { operator, left, right } = expression;
      const first = evaluate(left, context);
      if (operator === "&&" || operator === "||") {
        return shortCircuit(operator, [first, right], { context, at });
      }
      const operands = [first, evaluate(right, context)] as const;
      return binary(operator, operands, { context, at });
    }
    case "call": {
      const result = call(expression, context);
      if (result) return result;
      throw new SourceError(`"${expression.callee.name}" has no result`, at);
    }
    case "index":
      return indexed(locate(expression.base, context), expression, context);
    case "member":
      return member(locate(expression.base, context), expression, context);
  }
}

/** `base[index]`. */
function indexed(
  base: Operand,
  { index: expression, at }: Expression & { kind: "index" },
  context: Context,
): Operand {
  const index = typedIndex(evaluate(expression, context), expression.at);
  const { type } = base;
  const length = type.kind === "vector"
    ? type.size
    : type.kind === "array"
    ? type.length
    : 0;
  if (length === 0) {
    throw new SourceError(`${nameOf(type)} has no elements`, at);
  }
  const known = index.kind === "constant" ? index.numbers[0] : undefined;
  if (known !== undefined && (known < 0 || known >= (length ?? Infinity))) {
    throw new SourceError(`${nameOf(type)} has no element ${known}`, at);
  }
  if (type.kind === "vector") {
    return component(base, { index, at }, context);
  }
  const of = type.kind === "array" ? type.of : type;
  if (base.kind === "reference") {
    const path = [...base.path, idOf(index, context, at)];
    return { kind: "reference", type: of, variable: base.variable, path };
  }
  if (known === undefined) {
    throw new SourceError("only a variable is indexed by what varies", at);
  }
  return extracted(base, { type: of, part: known, at }, context);
}

/** A literal without a type counts from 0, as a u32. */
function typedIndex(index: Operand, at: number): Operand {
  if (!isIndex(index)) {
    throw new SourceError(`${nameOf(index.type)} is no index`, at);
  }
  const isLiteral = index.kind === "constant" && index.type === SCALARS.int;
  return isLiteral && index.numbers[0] >= 0
    ? ofType(index, SCALARS.u32, at)
    : concrete(index, at);
}

/** One number of a vector. */
function component(
  base: Operand,
  { index, at }: { index: Operand; at: number },
  context: Context,
): Operand {
  if (base.type.kind !== "vector") {
    throw new SourceError(`${nameOf(base.type)} has no numbers`, at);
  }
  const type = base.type.of;
  if (base.kind === "reference") {
    const { variable } = base;
    const place = { vector: base, index };
    return { kind: "reference", type, variable, path: [], component: place };
  }
  if (index.kind === "constant") {
    return extracted(base, { type, part: index.numbers[0], at }, context);
  }
  const vectorId = idOf(base, context, at);
  const id = context.code.value(
    OP.vectorExtractDynamic,
    context.shader.module.type(type),
    vectorId,
    idOf(index, context, at),
  );
  return { kind: "value", type, id };
}

/** A part of a value. */
function extracted(
  base: Operand,
  { type, part, at }: { type: Operand["type"]; part: number; at: number },
  context: Context,
): Operand {
  if (base.kind === "constant" && type.kind === "scalar") {
    return constant(type, base.numbers[part]);
  }
  const id = context.code.value(
    OP.compositeExtract,
    context.shader.module.type(type),
    idOf(base, context, at),
    part,
  );
  return { kind: "value", type, id };
}

/** `base.name`: of a struct, or numbers of a vector. */
function member(
  base: Operand,
  { name, at }: Expression & { kind: "member" },
  context: Context,
): Operand {
  const { type } = base;
  if (type.kind === "struct") {
    const part = type.members.findIndex((member) => member.name === name);
    if (part >= 0) {
      const of = type.members[part].type;
      if (base.kind !== "reference") {
        return extracted(base, { type: of, part, at }, context);
      }
      const path = [...base.path, context.shader.module.u32(part)];
      return { kind: "reference", type: of, variable: base.variable, path };
    }
  }
  const parts = type.kind === "vector" && swizzle(name, type.size);
  if (!parts) throw new SourceError(`${nameOf(type)} has no "${name}"`, at);
  if (parts.length === 1) {
    const index = constant(SCALARS.u32, parts[0]);
    return component(base, { index, at }, context);
  }
  const vector = loaded(base, context, at);
  const result = vectorOf(type.of, parts.length);
  if (vector.kind === "constant" && result.kind === "vector") {
    const numbers = parts.map((part) => vector.numbers[part]);
    return { kind: "constant", type: result, numbers };
  }
  const id = idOf(vector, context, at);
  const shuffled = context.code.value(
    OP.vectorShuffle,
    context.shader.module.type(result),
    id,
    id,
    ...parts,
  );
  return { kind: "value", type: result, id: shuffled };
}

/** The numbers that letters name, if the vector has all of them. */
function swizzle(name: string, size: number): number[] | undefined {
  if (name.length > 4) return undefined;
  const letters = ["xyzw", "rgba"].find((set) => set.includes(name[0]));
  const parts = [...name].map((letter) => letters?.indexOf(letter) ?? -1);
  return parts.every((part) => part >= 0 && part < size) ? parts : undefined;
}

/** The right side is computed only if the left does not settle it. */
function shortCircuit(
  operator: "&&" | "||",
  [left, right]: readonly [Exclude<Operand, Reference>, Expression],
  { context, at }: { context: Context; at: number },
): Operand {
  const { code, shader: { module } } = context;
  const settles = operator === "&&" ? 0 : 1;
  if (left.kind === "constant" && left.type === SCALARS.bool) {
    return left.numbers[0] === settles ? left : truth(right, context);
  }
  if (isHarmless(right)) {
    const operands = [left, evaluate(right, context)] as const;
    return binary(operator, operands, { context, at });
  }
  const condition = idOf(ofType(left, SCALARS.bool, at), context, at);
  const before = code.block;
  const more = module.newId(), merge = module.newId();
  code.effect(OP.selectionMerge, merge, 0);
  const [yes, no] = operator === "&&" ? [more, merge] : [merge, more];
  code.close(OP.branchConditional, condition, yes, no);
  code.open(more);
  const second = idOf(truth(right, context), context, right.at);
  const after = code.block;
  code.goTo(merge);
  code.open(merge);
  const id = code.value(
    OP.phi,
    module.type(SCALARS.bool),
    module.scalar(SCALARS.bool, settles),
    before,
    second,
    after,
  );
  return { kind: "value", type: SCALARS.bool, id };
}

/** A condition. @throws {SourceError} */
export function truth(expression: Expression, context: Context): Operand {
  return ofType(evaluate(expression, context), SCALARS.bool, expression.at);
}

/** Whether it costs little, and may be computed where its value is not used. */
function isHarmless(expression: Expression): boolean {
  switch (expression.kind) {
    case "name":
    case "number":
    case "bool":
      return true;
    case "unary":
      return isHarmless(expression.operand);
    case "binary":
      return !["/", "%", "&&", "||"].includes(expression.operator) &&
        isHarmless(expression.left) && isHarmless(expression.right);
    case "member":
      return isHarmless(expression.base);
    case "call":
    case "index":
      return false;
  }
}
