/**
 * Shaders for drivers that take SPIR-V: a compiler for the part of WGSL that
 * Hearth's kernels are written in.
 *
 * What is compiled does what the text says and no more: an index is not held
 * to its array, loops are not counted, and workgroup memory begins with what
 * was there. Constants are folded; all else is left to the driver.
 *
 * @module
 */

import type { Capability } from "./module/module.ts";
import { Shader, type ShaderBinding } from "./shader.ts";
import { parse } from "./syntax/parse.ts";
import { SourceError } from "./syntax/shader_error.ts";

export { ShaderError } from "./syntax/shader_error.ts";

/** A shader that a driver takes. */
export interface CompiledShader {
  /** The module, of SPIR-V 1.3; its entry point is `main`. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly workgroupSize: readonly [number, number, number];
  /** All buffers that the text declares, in its order. */
  readonly bindings: readonly ShaderBinding[];
  /** What a device must have. */
  readonly capabilities: readonly Capability[];
}

/** Compiles the text of a shader. @throws {ShaderError} With its line. */
export function compileShader(code: string): CompiledShader {
  try {
    return new Shader(parse(code)).compile();
  } catch (error) {
    throw error instanceof SourceError ? error.in(code) : error;
  }
}
