/**
 * The code of one function as it grows: blocks, and variables before them.
 *
 * @module
 */

import type { Type } from "../types.ts";
import type { ModuleBuilder } from "./module.ts";
import { OP, STORAGE } from "./spirv.ts";
import { Words } from "./words.ts";

/** Builds a function. */
export class FunctionCode {
  readonly #module: ModuleBuilder;
  readonly #variables = new Words();
  readonly #body = new Words(1024);
  /** The label of the block that is written; 0 if none is open. */
  #block: number;

  constructor(module: ModuleBuilder) {
    this.#module = module;
    this.#block = module.newId();
  }

  /** Whether something can still come in this block. */
  get isOpen(): boolean {
    return this.#block !== 0;
  }

  /** The label of the block that is written. */
  get block(): number {
    return this.#block;
  }

  /** Adds an instruction that has a value; its id. */
  value(op: number, type: number, ...operands: number[]): number {
    const id = this.#module.newId();
    this.#body.op(op, type, id, ...operands);
    return id;
  }

  /** Adds an instruction that has none. */
  effect(op: number, ...operands: number[]): void {
    this.#body.op(op, ...operands);
  }

  /** Adds a function of GLSL.std.450; the id of its value. */
  glsl(what: number, type: number, ...operands: number[]): number {
    return this.value(OP.extInst, type, this.#module.glsl, what, ...operands);
  }

  /** A variable of the function, without a value. */
  variable(type: Type): number {
    const id = this.#module.newId();
    const pointer = this.#module.pointer("function", type);
    this.#variables.op(OP.variable, pointer, id, STORAGE.function);
    return id;
  }

  /** Ends the block with an instruction. */
  close(op: number, ...operands: number[]): void {
    this.#body.op(op, ...operands);
    this.#block = 0;
  }

  /** Ends the block, if one is open, and goes to another. */
  goTo(label: number): void {
    if (this.isOpen) this.close(OP.branch, label);
  }

  /** Begins a block. */
  open(label: number): void {
    this.#body.op(OP.label, label);
    this.#block = label;
  }

  /**
   * The whole function.
   *
   * @param entry Label of the first block.
   */
  finish(
    { id, result, type, parameters, entry }: {
      id: number;
      result: number;
      type: number;
      parameters: readonly { id: number; type: number }[];
      entry: number;
    },
  ): Words {
    const words = new Words(this.#body.length + 256);
    words.op(OP.function, result, id, 0, type);
    for (const { id, type } of parameters) {
      words.op(OP.functionParameter, type, id);
    }
    words.op(OP.label, entry);
    words.addAll(this.#variables);
    words.addAll(this.#body);
    words.op(OP.functionEnd);
    return words;
  }
}
