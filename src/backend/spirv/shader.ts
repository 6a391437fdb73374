/**
 * A shader: its types and variables, and its functions as they are called.
 *
 * @module
 */

import {
  type Callable,
  type Context,
  Scope,
  type ShaderContext,
  typeNamed,
} from "./context.ts";
import { evaluate } from "./expression.ts";
import { FunctionCode } from "./module/function_code.ts";
import { type Capability, ModuleBuilder } from "./module/module.ts";
import { BUILT_IN, OP } from "./module/spirv.ts";
import type { Operand, Reference, Variable } from "./operand.ts";
import { compileBlock, constantOf } from "./statement.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type {
  Attribute,
  Expression,
  FunctionSyntax,
  GlobalSyntax,
  Name,
  Parameter,
  ShaderSyntax,
} from "./syntax/syntax.ts";
import {
  type ArrayType,
  type MatrixUse,
  nameOf,
  type Scalar,
  type ScalarName,
  SCALARS,
  type Struct,
  type Type,
  TypeTable,
  vectorOf,
} from "./types.ts";
import { idOf, ofType } from "./values.ts";

/** A buffer that a shader declares, whether it uses it or not. */
export interface ShaderBinding {
  readonly group: number;
  readonly binding: number;
  /** What the shader does, which may be less than it declares. */
  readonly access: "read" | "read_write";
}

/** Extensions that a shader may enable. */
const EXTENSIONS = ["f16", "subgroups", "wgpu_cooperative_matrix"];

const SHORT_VECTOR = /^vec([234])([fhui])$/;
const SHORT_SCALARS: Record<string, ScalarName> = {
  f: "f32",
  h: "f16",
  u: "u32",
  i: "i32",
};
const COOP_MATRIX = /^coop_mat(\d+)x(\d+)$/;

interface Buffer {
  readonly variable: Variable;
  readonly type: ArrayType;
  readonly group: number;
  readonly binding: number;
}

/** Compiles one shader. */
export class Shader implements ShaderContext {
  readonly module = new ModuleBuilder();
  readonly types = new TypeTable();
  readonly sharesBuffers: boolean;
  readonly #syntax: ShaderSyntax;
  readonly #enabled: ReadonlySet<string>;
  readonly #structs = new Map<string, Struct>();
  readonly #globals = new Map<string, Operand>();
  readonly #globalsSyntax: Map<string, GlobalSyntax>;
  readonly #buffers: Buffer[] = [];
  readonly #callables = new Map<string, Callable>();
  readonly #called: FunctionSyntax[] = [];
  /** Where constants are computed; no instruction of it is kept. */
  readonly #outside: Context = {
    shader: this,
    code: new FunctionCode(this.module),
    scope: new Scope(),
  };

  /** @throws {SourceError} */
  constructor(syntax: ShaderSyntax) {
    this.#syntax = syntax;
    this.sharesBuffers = syntax.sharesBuffers;
    for (const { at, name } of syntax.enabled) {
      if (EXTENSIONS.includes(name)) continue;
      throw new SourceError(`there is no extension "${name}"`, at);
    }
    this.#enabled = new Set(syntax.enabled.map(({ name }) => name));
    for (const one of syntax.constants) {
      this.#globals.set(one.name, constantOf(one, this.#outside));
    }
    this.#globalsSyntax = new Map(syntax.globals.map((one) => [one.name, one]));
    for (const one of syntax.globals) {
      if (one.space === "storage") this.#declareBuffer(one);
    }
  }

  /** The module, and what is to be known of it. @throws {SourceError} */
  compile() {
    const entries = [...this.#syntax.functions.values()].filter((one) =>
      one.attributes.some(({ name }) => name === "compute")
    );
    const [main, second] = entries;
    if (!main) throw new SourceError("it has no @compute function", 0);
    if (second) throw new SourceError("a second @compute function", second.at);
    const workgroupSize = this.#workgroupSize(main);
    const id = this.#compileFunction(main, undefined);
    for (const one of this.#called) {
      this.#compileFunction(one, this.#callables.get(one.name));
    }
    for (const { variable, type, ...place } of this.#buffers) {
      const { isRead, isWritten } = variable;
      if (!isRead && !isWritten) continue;
      this.module.buffer(type, { ...place, isWritten }, variable.id);
    }
    return {
      words: this.module.finish(id, workgroupSize),
      workgroupSize,
      bindings: this.#buffers.map(({ variable, group, binding }) => ({
        group,
        binding,
        access: variable.isWritten ? "read_write" : "read",
      } satisfies ShaderBinding)),
      capabilities: [...this.module.capabilities] as Capability[],
    };
  }

  enables(name: string): boolean {
    return this.#enabled.has(name);
  }

  findGlobal(name: string): Operand | undefined {
    const known = this.#globals.get(name);
    if (known) return known;
    const syntax = this.#globalsSyntax.get(name);
    return syntax && this.#declareGlobal(syntax);
  }

  findFunction(name: string): Callable | undefined {
    const known = this.#callables.get(name);
    if (known) return known;
    const syntax = this.#syntax.functions.get(name);
    if (!syntax) return undefined;
    const callable: Callable = {
      id: this.module.newId(),
      parameters: syntax.parameters.map(({ type }) => typeNamed(type, this)),
      result: syntax.result && typeNamed(syntax.result, this),
    };
    this.#callables.set(name, callable);
    this.#called.push(syntax);
    return callable;
  }

  findType(name: Name): Type | undefined {
    const alias = this.#syntax.aliases.get(name.name);
    if (alias) return typeNamed(alias, this);
    if (Object.hasOwn(SCALARS, name.name)) return this.#scalar(name);
    if (!name.args) {
      const short = SHORT_VECTOR.exec(name.name);
      if (!short) return this.#struct(name.name);
      return vectorOf(SCALARS[SHORT_SCALARS[short[2]]], Number(short[1]));
    }
    const [first, second] = name.args;
    if (/^vec[234]$/.test(name.name)) {
      return vectorOf(this.#scalarNamed(first), Number(name.name[3]));
    }
    if (name.name === "array") {
      return this.types.array(
        typeNamed(asName(first), this),
        second && this.#whole(second),
      );
    }
    const shape = COOP_MATRIX.exec(name.name);
    if (!shape) return undefined;
    const use = second?.kind === "name" ? second.name : "";
    if (!/^[ABC]$/.test(use)) {
      throw new SourceError("expected a matrix of use A, B or C", name.at);
    }
    return this.types.matrix(this.#scalarNamed(first), {
      rows: Number(shape[1]),
      columns: Number(shape[2]),
      use: use as MatrixUse,
    });
  }

  #scalar({ name, at }: Name): Scalar | undefined {
    if (name === "int" || name === "float") return undefined;
    if (name === "f16" && !this.enables("f16")) {
      throw new SourceError('f16 needs "enable f16;"', at);
    }
    return SCALARS[name as ScalarName];
  }

  #scalarNamed(expression: Expression): Scalar {
    const type = typeNamed(asName(expression), this);
    if (type.kind === "scalar") return type;
    throw new SourceError(
      `expected a scalar, found ${nameOf(type)}`,
      expression.at,
    );
  }

  #struct(name: string): Struct | undefined {
    const known = this.#structs.get(name);
    const syntax = this.#syntax.structs.get(name);
    if (known || !syntax) return known;
    const struct: Struct = {
      kind: "struct",
      name,
      members: syntax.members.map(({ name, type }) => ({
        name,
        type: typeNamed(type, this),
      })),
    };
    this.#structs.set(name, struct);
    return struct;
  }

  /** An integer that is known. @throws {SourceError} */
  #whole(expression: Expression): number {
    const operand = evaluate(expression, this.#outside);
    if (operand.kind === "constant" && operand.type.kind === "scalar") {
      const [number] = operand.numbers;
      if (Number.isInteger(number) && number >= 0) return number;
    }
    throw new SourceError("expected a number known now", expression.at);
  }

  #declareBuffer({ at, name, type: typeName, ...syntax }: GlobalSyntax): void {
    const type = typeNamed(typeName, this);
    const element = type.kind === "array" ? type.of : type;
    if (
      type.kind !== "array" || type.length !== undefined ||
      !(element.kind === "scalar" || element.kind === "vector") ||
      element === SCALARS.bool
    ) {
      throw new SourceError(
        `a buffer is an array of numbers or vectors, not ${nameOf(type)}`,
        at,
      );
    }
    const variable = {
      ...{ name, id: this.module.newId(), storage: "storageBuffer" as const },
      ...{ isWritable: syntax.isWritable, isRead: false, isWritten: false },
    };
    this.#buffers.push({
      variable,
      type,
      group: this.#attribute(syntax.attributes, "group", at),
      binding: this.#attribute(syntax.attributes, "binding", at),
    });
    // The array is the only member of what is bound.
    const path = [this.module.u32(0)];
    this.#globals.set(name, { kind: "reference", type, variable, path });
  }

  #declareGlobal({ name, space, type: typeName, value }: GlobalSyntax) {
    const type = typeNamed(typeName, this);
    const storage = space === "workgroup" ? "workgroup" : "private";
    const context = this.#outside;
    const initial = value
      ? idOf(
        ofType(evaluate(value, context), type, value.at),
        context,
        value.at,
      )
      : storage === "private"
      ? this.module.zero(type)
      : undefined;
    const variable: Variable = {
      ...{ name, id: this.module.variable(storage, type, initial), storage },
      ...{ isWritable: true, isRead: false, isWritten: false },
    };
    const reference: Reference = {
      ...{ kind: "reference", type, variable, path: [] },
    };
    this.#globals.set(name, reference);
    return reference;
  }

  #attribute(attributes: readonly Attribute[], name: string, at: number) {
    const found = attributes.find((one) => one.name === name);
    if (found?.args.length === 1) return this.#whole(found.args[0]);
    throw new SourceError(`expected @${name}(…)`, at);
  }

  #workgroupSize(main: FunctionSyntax): [number, number, number] {
    const size = main.attributes.find(({ name }) => name === "workgroup_size");
    if (!size || size.args.length === 0 || size.args.length > 3) {
      throw new SourceError("expected @workgroup_size(…)", main.at);
    }
    const [x, y = 1, z = 1] = size.args.map((arg) => this.#whole(arg));
    return [x, y, z];
  }

  /** @param callable What is known of it; of the entry point, nothing. */
  #compileFunction(
    syntax: FunctionSyntax,
    callable: Callable | undefined,
  ): number {
    const { module } = this;
    const code = new FunctionCode(module);
    const entry = code.block;
    const scope = new Scope();
    const parameters: { id: number; type: number }[] = [];
    for (const [i, one] of syntax.parameters.entries()) {
      if (callable) {
        const type = callable.parameters[i];
        const id = module.newId();
        parameters.push({ id, type: module.type(type) });
        scope.add(one.name, { kind: "value", type, id }, one.at);
      } else {
        scope.add(one.name, this.#given(one, code), one.at);
      }
    }
    const result = callable?.result;
    compileBlock(syntax.body, { shader: this, code, scope, result });
    if (code.isOpen) code.close(result ? OP.unreachable : OP.return);
    const id = callable?.id ?? module.newId();
    module.addFunction(code.finish({
      id,
      result: module.resultType(result),
      type: module.functionType(result, callable?.parameters ?? []),
      parameters,
      entry,
    }));
    return id;
  }

  /** What the entry point is given. */
  #given(
    { at, type: name, attributes }: Parameter,
    code: FunctionCode,
  ): Operand {
    const type = typeNamed(name, this);
    const [builtIn] = attributes;
    const [arg] = builtIn?.name === "builtin" ? builtIn.args : [];
    const what = arg?.kind === "name" ? arg.name : "";
    if (!Object.hasOwn(BUILT_IN, what)) {
      throw new SourceError(`expected @builtin(…), not "${what}"`, at);
    }
    const isPlace = /^(global|local)_invocation_id$|workgroup/.test(what);
    ofType(
      { kind: "value", type, id: 0 },
      vectorOf(SCALARS.u32, isPlace ? 3 : 1),
      at,
    );
    if (what.includes("subgroup")) this.module.require("groupNonUniform");
    const variable = this.module.input(
      type,
      BUILT_IN[what as keyof typeof BUILT_IN],
    );
    const id = code.value(OP.load, this.module.type(type), variable);
    return { kind: "value", type, id };
  }
}

function asName(expression: Expression): Name {
  if (expression.kind === "name") return expression;
  throw new SourceError("expected a type", expression.at);
}
