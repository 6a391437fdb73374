/**
 * What is in scope where an expression or a statement is compiled.
 *
 * @module
 */

import type { FunctionCode } from "./module/function_code.ts";
import type { ModuleBuilder } from "./module/module.ts";
import type { Operand } from "./operand.ts";
import { SourceError } from "./syntax/shader_error.ts";
import type { Name } from "./syntax/syntax.ts";
import type { Type, TypeTable } from "./types.ts";

/** A function that can be called. */
export interface Callable {
  readonly id: number;
  readonly parameters: readonly Type[];
  readonly result?: Type;
}

/** The shader around a function. */
export interface ShaderContext {
  readonly module: ModuleBuilder;
  readonly types: TypeTable;
  /** Whether threads of a workgroup tell each other of what is in buffers. */
  readonly sharesBuffers: boolean;
  /** Whether it enables an extension. */
  enables(name: string): boolean;
  /** The type of a name, if it is one. @throws {SourceError} */
  findType(name: Name): Type | undefined;
  /** The function of a name, if there is one. */
  findFunction(name: string): Callable | undefined;
  /** The constant or variable of the whole shader. */
  findGlobal(name: string): Operand | undefined;
}

/** Names of a function, those of inner blocks before those of outer ones. */
export class Scope {
  readonly #outer?: Scope;
  #names?: Map<string, Operand>;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  /** Gives a name to something. */
  add(name: string, operand: Operand, at: number): void {
    this.#names ??= new Map();
    if (this.#names.has(name)) {
      throw new SourceError(`"${name}" is declared twice`, at);
    }
    this.#names.set(name, operand);
  }

  /** What has the name. */
  find(name: string): Operand | undefined {
    return this.#names?.get(name) ?? this.#outer?.find(name);
  }
}

/** Where an expression is compiled. */
export interface Context {
  readonly shader: ShaderContext;
  readonly code: FunctionCode;
  readonly scope: Scope;
}

/** The type of a name that must be one. @throws {SourceError} */
export function typeNamed(name: Name, shader: ShaderContext): Type {
  const type = shader.findType(name);
  if (!type) throw new SourceError(`there is no type "${name.name}"`, name.at);
  return type;
}
