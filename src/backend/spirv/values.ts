/**
 * Operands as ids: constants are declared, places in memory are read; and the
 * types that literals without one take.
 *
 * @module
 */

import type { Context, ShaderContext } from "./context.ts";
import { fits, rounded } from "./fold.ts";
import { ACCESS, OP, SCOPE } from "./module/spirv.ts";
import type { Constant, Operand, Reference } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import {
  isAbstract,
  isFloat,
  nameOf,
  type Scalar,
  scalarOf,
  SCALARS,
  type Type,
  vectorOf,
} from "./types.ts";

/** What an operand is worth now: places in memory are read. */
export function loaded(
  operand: Operand,
  context: Context,
  at: number,
): Exclude<Operand, Reference> {
  if (operand.kind !== "reference") return operand;
  return { kind: "value", type: operand.type, id: load(operand, context, at) };
}

/** The id of an operand; literals without a type take the usual one. */
export function idOf(operand: Operand, context: Context, at: number): number {
  if (operand.kind === "value") return operand.id;
  if (operand.kind === "reference") return load(operand, context, at);
  return constantId(concrete(operand, at), context.shader);
}

/** The id of a constant whose type is settled. */
function constantId(
  { type, numbers }: Constant,
  { module }: ShaderContext,
): number {
  if (type.kind === "scalar") {
    return module.scalar(type, numbers[0]);
  }
  const { of } = type;
  return module.composite(
    type,
    numbers.map((number) => module.scalar(of, number)),
  );
}

/** The operand with a type that exists at run time. */
export function concrete<T extends Operand>(operand: T, at: number): T {
  if (operand.kind !== "constant") return operand;
  const scalar = scalarOf(operand.type)!;
  if (!isAbstract(scalar)) return operand;
  return retyped(operand, SCALARS[isFloat(scalar) ? "f32" : "i32"], at) as T;
}

/** A literal without a type as one of a type. @throws {SourceError} */
export function retyped(literal: Constant, to: Scalar, at: number): Constant {
  const from = scalarOf(literal.type)!;
  if (from === to) return literal;
  const isPossible = isAbstract(from) &&
    (isFloat(to) || (from.name === "int" && to.name !== "bool"));
  if (!isPossible) {
    throw new SourceError(`expected ${to.name}, found ${from.name}`, at);
  }
  return {
    kind: "constant",
    type: vectorOf(to, literal.numbers.length),
    numbers: literal.numbers.map((number) => {
      if (!fits(number, to.name)) {
        throw new SourceError(`${number} is no ${to.name}`, at);
      }
      return rounded(number, to.name)!;
    }),
  };
}

/** The operand as one of a type, where only literals change. */
export function ofType<T extends Operand>(
  operand: T,
  type: Type,
  at: number,
): T {
  if (operand.type === type) return operand;
  const scalar = scalarOf(type);
  if (operand.kind === "constant" && scalar && type.kind !== "matrix") {
    const result = retyped(operand, scalar, at);
    if (result.type === type) return result as T;
  }
  throw new SourceError(
    `expected ${nameOf(type)}, found ${nameOf(operand.type)}`,
    at,
  );
}

/** Where something lies, as the id of a pointer. */
export function pointerTo(reference: Reference, context: Context): number {
  const { variable } = reference;
  let { path } = reference;
  if (reference.component) {
    const { vector, index } = reference.component;
    path = [...vector.path, idOf(index, context, 0)];
  }
  if (path.length === 0) return variable.id;
  return context.code.value(
    OP.accessChain,
    context.shader.module.pointer(variable.storage, reference.type),
    variable.id,
    ...path,
  );
}

/** Writes a place in memory. @throws {SourceError} */
export function store(
  reference: Reference,
  value: number,
  { context, at }: { context: Context; at: number },
): void {
  const { variable } = reference;
  if (!variable.isWritable) {
    throw new SourceError(`"${variable.name}" cannot be written`, at);
  }
  variable.isWritten = true;
  const pointer = pointerTo(reference, context);
  context.code.effect(
    OP.store,
    pointer,
    value,
    ...sharing(reference, "store", context.shader),
  );
}

/**
 * Options of an access to memory that the threads of a workgroup share: those
 * of the memory model of Vulkan, which matrices ask for, are seen by others
 * only where each says so.
 */
export function sharing(
  { variable }: Reference,
  what: "load" | "store",
  shader: ShaderContext,
): number[] {
  const isShared = variable.storage === "workgroup" ||
    (variable.storage === "storageBuffer" && variable.isWritable &&
      shader.sharesBuffers);
  if (!isShared || !shader.enables("wgpu_cooperative_matrix")) return [];
  const reach = what === "load" ? ACCESS.makeVisible : ACCESS.makeAvailable;
  return [ACCESS.nonPrivate | reach, shader.module.u32(SCOPE.workgroup)];
}

function load(reference: Reference, context: Context, at: number): number {
  const { variable, type, component } = reference;
  if (type.kind === "array" && variable.storage === "storageBuffer") {
    throw new SourceError("a part of a buffer is read as a whole", at);
  }
  variable.isRead = true;
  const { module } = context.shader;
  // Variables of a function become registers: then this is free, and a
  // pointer to a part would be in the way.
  if (
    component && component.vector.path.length === 0 &&
    variable.storage === "function"
  ) {
    const vector = load(component.vector, context, at);
    const { index } = component;
    return index.kind === "constant"
      ? context.code.value(
        OP.compositeExtract,
        module.type(type),
        vector,
        index.numbers[0],
      )
      : context.code.value(
        OP.vectorExtractDynamic,
        module.type(type),
        vector,
        idOf(index, context, at),
      );
  }
  const pointer = pointerTo(reference, context);
  return context.code.value(
    OP.load,
    module.type(type),
    pointer,
    ...sharing(reference, "load", context.shader),
  );
}
