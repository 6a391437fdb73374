/**
 * Matrices that the threads of a subgroup hold together, after naga's syntax:
 * `coopLoad`, `coopLoadT` (by columns), `coopStore`, `coopStoreT` and
 * `coopMultiplyAdd`.
 *
 * Strides count elements of the array that the pointer is into.
 *
 * Source: SPV_KHR_cooperative_matrix,
 * https://github.khronos.org/SPIRV-Registry/extensions/KHR/SPV_KHR_cooperative_matrix.html.
 *
 * @module
 */

import type { CallSite } from "./builtin_functions.ts";
import { expectCount, isIndex } from "./builtin_functions.ts";
import { type Context, typeNamed } from "./context.ts";
import { OP } from "./module/spirv.ts";
import type { Operand, Reference } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type { Name } from "./syntax/syntax.ts";
import { type CoopMatrix, nameOf, scalarOf, SCALARS } from "./types.ts";
import { idOf, ofType, pointerTo, sharing } from "./values.ts";

const ROWS = 0, COLUMNS = 1;

/** Whether a function is one of matrices. */
export function isMatrixFunction(name: string): boolean {
  return /^coop(Load|Store)T?$|^coopMultiplyAdd$/.test(name);
}

/** A call of one. Pointers are references. @throws {SourceError} */
export function callMatrixFunction(
  callee: Name,
  args: readonly Operand[],
  site: CallSite,
): Operand | undefined {
  const { name } = callee;
  if (!site.context.shader.enables("wgpu_cooperative_matrix")) {
    throw new SourceError(
      `${name} needs "enable wgpu_cooperative_matrix;"`,
      site.at,
    );
  }
  if (name === "coopMultiplyAdd") return multiplyAdd(args, site);
  const order = name.endsWith("T") ? COLUMNS : ROWS;
  if (name.startsWith("coopStore")) return storeMatrix(args, order, site);
  const type = callee.args?.length === 1 && callee.args[0].kind === "name" &&
    typeNamed(callee.args[0], site.context.shader);
  if (!type || type.kind !== "matrix") {
    throw new SourceError(`expected ${name}<coop_mat…>`, callee.at);
  }
  return loadMatrix(type, args, { order, site });
}

function loadMatrix(
  type: CoopMatrix,
  args: readonly Operand[],
  { order, site: { context, at } }: { order: number; site: CallSite },
): Operand {
  expectCount(args, 2, at);
  const from = memory(args[0], type, at);
  const stride = strideOf(args[1], context, at);
  const { module } = context.shader;
  from.variable.isRead = true;
  const pointer = pointerTo(from, context);
  const access = sharing(from, "load", context.shader);
  const id = context.code.value(
    OP.cooperativeMatrixLoad,
    module.type(type),
    pointer,
    module.u32(order),
    stride,
    ...access,
  );
  return { kind: "value", type, id };
}

function storeMatrix(
  args: readonly Operand[],
  order: number,
  { context, at }: CallSite,
): undefined {
  expectCount(args, 3, at);
  const { type } = args[0];
  if (type.kind !== "matrix") {
    throw new SourceError(`expected a matrix, found ${nameOf(type)}`, at);
  }
  const to = memory(args[1], type, at);
  if (!to.variable.isWritable) {
    throw new SourceError(`"${to.variable.name}" cannot be written`, at);
  }
  to.variable.isWritten = true;
  const value = idOf(args[0], context, at);
  const stride = strideOf(args[2], context, at);
  context.code.effect(
    OP.cooperativeMatrixStore,
    pointerTo(to, context),
    value,
    context.shader.module.u32(order),
    stride,
    ...sharing(to, "store", context.shader),
  );
}

/** `a * b + c`. */
function multiplyAdd(
  args: readonly Operand[],
  { context, at }: CallSite,
): Operand {
  expectCount(args, 3, at);
  const [a, b, c] = args.map(({ type }) => type);
  const fits = a.kind === "matrix" && b.kind === "matrix" &&
    c.kind === "matrix" && a.use === "A" && b.use === "B" && c.use === "C" &&
    a.rows === c.rows && a.columns === b.rows && b.columns === c.columns;
  if (!fits) {
    throw new SourceError(
      `${nameOf(a)} * ${nameOf(b)} + ${nameOf(c)} has no meaning`,
      at,
    );
  }
  const ids = args.map((arg) => idOf(arg, context, at));
  const { module } = context.shader;
  const id = context.code.value(
    OP.cooperativeMatrixMulAdd,
    module.type(c),
    ...ids,
  );
  return { kind: "value", type: c, id };
}

/** The element of an array that is shared, or else an error. */
function memory(operand: Operand, type: CoopMatrix, at: number): Reference {
  if (
    operand.kind !== "reference" || operand.path.length === 0 ||
    operand.component || !scalarOf(operand.type) ||
    (operand.variable.storage !== "workgroup" &&
      operand.variable.storage !== "storageBuffer")
  ) {
    throw new SourceError(
      `${nameOf(type)} is kept at &array[i], of a buffer or a workgroup`,
      at,
    );
  }
  return operand;
}

function strideOf(operand: Operand, context: Context, at: number): number {
  if (!isIndex(operand)) {
    throw new SourceError(`a stride is no ${nameOf(operand.type)}`, at);
  }
  const stride = operand.kind === "constant"
    ? ofType(operand, SCALARS.u32, at)
    : operand;
  return idOf(stride, context, at);
}
