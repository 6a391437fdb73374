/**
 * Statements as code: structured control flow, and variables.
 *
 * @module
 */

import { binary } from "./arithmetic.ts";
import { zero } from "./construct.ts";
import { type Context, Scope, typeNamed } from "./context.ts";
import { call, evaluate, locate, truth } from "./expression.ts";
import { OP } from "./module/spirv.ts";
import type { Reference, Variable } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type {
  Assignment,
  Declaration,
  Loop,
  Statement,
} from "./syntax/syntax.ts";
import { nameOf, type Type } from "./types.ts";
import { concrete, idOf, loaded, ofType, store } from "./values.ts";

/** Where statements are compiled. */
export interface Flow extends Context {
  /** What the function returns. */
  readonly result?: Type;
  /** The loop around it. */
  readonly loop?: LoopLabels;
}

interface LoopLabels {
  readonly merge: number;
  readonly next: number;
  /** Whether anything goes to `merge`; set as the code is made. */
  isLeft: boolean;
}

/** Compiles statements, up to one that leaves. @throws {SourceError} */
export function compileBlock(
  statements: readonly Statement[],
  flow: Flow,
): void {
  const inner = { ...flow, scope: new Scope(flow.scope) };
  for (const statement of statements) {
    if (!flow.code.isOpen) return;
    compileStatement(statement, inner);
  }
}

function compileStatement(statement: Statement, flow: Flow): void {
  const { code } = flow;
  switch (statement.kind) {
    case "block":
      return compileBlock(statement.body, flow);
    case "declare":
      return declare(statement, flow);
    case "assign":
      return assign(statement, flow);
    case "call":
      call(statement.call, flow);
      return;
    case "if":
      return compileIf(statement, flow);
    case "loop":
      return compileLoop(statement, {
        ...flow,
        scope: new Scope(flow.scope),
      });
    case "return":
      return compileReturn(statement, flow);
    case "break":
    case "continue": {
      const { loop } = flow;
      if (!loop) {
        throw new SourceError(`${statement.kind} is for loops`, statement.at);
      }
      if (statement.kind === "continue") return code.goTo(loop.next);
      loop.isLeft = true;
      return code.goTo(loop.merge);
    }
  }
}

function declare(declaration: Declaration, flow: Flow): void {
  const { at, how, name } = declaration;
  const { shader, code, scope } = flow;
  const wanted = declaration.type && typeNamed(declaration.type, shader);
  if (how === "const") {
    return scope.add(name, constantOf(declaration, flow), at);
  }
  const given = declaration.value && evaluate(declaration.value, flow);
  const value = given && wanted
    ? ofType(given, wanted, at)
    : given
    ? concrete(given, at)
    : zero(wanted!, { context: flow, at });
  if (how === "let") return scope.add(name, value, at);
  const { type } = value;
  const variable: Variable = {
    name,
    id: code.variable(type),
    storage: "function",
    isWritable: true,
    isRead: false,
    isWritten: false,
  };
  const reference: Reference = { kind: "reference", type, variable, path: [] };
  store(reference, idOf(value, flow, at), { context: flow, at });
  scope.add(name, reference, at);
}

/** What a `const` is. @throws {SourceError} If it is not known now. */
export function constantOf(
  { at, name, type, value }: Declaration,
  context: Context,
) {
  const operand = evaluate(value!, context);
  if (operand.kind !== "constant") {
    throw new SourceError(`"${name}" is not known while compiling`, at);
  }
  return type ? ofType(operand, typeNamed(type, context.shader), at) : operand;
}

function assign(
  { at, left, operator, right }: Assignment,
  flow: Flow,
): void {
  if (!left) {
    evaluate(right, flow);
    return;
  }
  const place = locate(left, flow);
  if (place.kind !== "reference") {
    throw new SourceError("only a variable can be written", left.at);
  }
  // The left side is read before the right one is computed.
  const before = operator && loaded(place, flow, left.at);
  const value = evaluate(right, flow);
  const result = before
    ? binary(operator!, [before, value], { context: flow, at })
    : value;
  const id = idOf(ofType(result, place.type, right.at), flow, right.at);
  store(place, id, { context: flow, at: left.at });
}

function compileReturn(
  { at, value }: Statement & { kind: "return" },
  flow: Flow,
): void {
  const { code, result } = flow;
  if (!value || !result) {
    if (value || result) {
      throw new SourceError(
        `expected ${result ? nameOf(result) : "no value"} to return`,
        at,
      );
    }
    return code.close(OP.return);
  }
  const operand = ofType(evaluate(value, flow), result, at);
  code.close(OP.returnValue, idOf(operand, flow, at));
}

function compileIf(
  statement: Statement & { kind: "if" },
  flow: Flow,
): void {
  const { code, shader: { module } } = flow;
  const { then, otherwise } = statement;
  const condition = truth(statement.condition, flow);
  if (condition.kind === "constant") {
    const taken = condition.numbers[0] ? then : otherwise;
    return compileBlock(taken ?? [], flow);
  }
  const id = idOf(condition, flow, statement.at);
  const yes = module.newId(), merge = module.newId();
  const no = otherwise ? module.newId() : merge;
  code.effect(OP.selectionMerge, merge, 0);
  code.close(OP.branchConditional, id, yes, no);
  code.open(yes);
  compileBlock(then, flow);
  let isReached = !otherwise || code.isOpen;
  code.goTo(merge);
  if (otherwise) {
    code.open(no);
    compileBlock(otherwise, flow);
    isReached ||= code.isOpen;
    code.goTo(merge);
  }
  code.open(merge);
  if (!isReached) code.close(OP.unreachable);
}

function compileLoop(statement: Loop, flow: Flow): void {
  const { code, shader: { module } } = flow;
  const { begin, body, next, breakIf } = statement;
  if (begin) compileStatement(begin, flow);
  const header = module.newId(), first = module.newId();
  const loop: LoopLabels = {
    merge: module.newId(),
    next: module.newId(),
    isLeft: false,
  };
  code.goTo(header);
  code.open(header);
  code.effect(OP.loopMerge, loop.merge, loop.next, 0);
  code.goTo(first);
  code.open(first);
  const condition = statement.condition && truth(statement.condition, flow);
  if (condition && !(condition.kind === "constant" && condition.numbers[0])) {
    const inside = module.newId();
    const id = idOf(condition, flow, statement.at);
    code.close(OP.branchConditional, id, inside, loop.merge);
    code.open(inside);
    loop.isLeft = true;
  }
  const inner: Flow = { ...flow, loop };
  compileBlock(body, inner);
  code.goTo(loop.next);
  code.open(loop.next);
  for (const step of next) compileStatement(step, flow);
  if (breakIf) {
    const id = idOf(truth(breakIf, flow), flow, breakIf.at);
    code.close(OP.branchConditional, id, loop.merge, header);
    loop.isLeft = true;
  } else {
    code.goTo(header);
  }
  code.open(loop.merge);
  if (!loop.isLeft) code.close(OP.unreachable);
}
