/**
 * Instructions of a SPIR-V module, for tests to look at.
 *
 * @module
 */

import { OP } from "../../../src/backend/spirv/module/spirv.ts";

/** One instruction: its name, and its words behind the first. */
export interface Instruction {
  readonly op: keyof typeof OP;
  readonly operands: readonly number[];
}

const NAMES: ReadonlyMap<number, keyof typeof OP> = new Map(
  Object.entries(OP).map(([name, code]) => [code, name as keyof typeof OP]),
);

/** Takes a module apart. @throws If it is none, or has what is not known. */
export function instructionsOf(words: Uint32Array): Instruction[] {
  if (words[0] !== 0x07230203) throw new Error("no module of SPIR-V");
  const instructions: Instruction[] = [];
  for (let at = 5; at < words.length;) {
    const op = NAMES.get(words[at] & 0xffff);
    const count = words[at] >>> 16;
    if (!op || count === 0) throw new Error(`word ${at} is no instruction`);
    const operands = [...words.subarray(at + 1, at + count)];
    instructions.push({ op, operands });
    at += count;
  }
  return instructions;
}

/** Names of the instructions of the functions, without what frames them. */
export function codeOf(words: Uint32Array): string[] {
  const all = instructionsOf(words).map(({ op }) => op);
  const frame = new Set(["function", "functionParameter", "functionEnd"]);
  return all.slice(all.indexOf("function")).filter((op) => !frame.has(op));
}
