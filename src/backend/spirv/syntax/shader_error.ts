/**
 * What is wrong with the text of a shader.
 *
 * @module
 */

/** A shader that is outside of what Hearth's compiler knows. */
export class ShaderError extends Error {
  override readonly name = "ShaderError";

  /**
   * An error to throw.
   *
   * @param line Of the shader, from 1 on.
   */
  constructor(message: string, readonly line: number) {
    super(`Cannot compile line ${line} of a shader: ${message}`);
  }
}

/** A mistake at a place of the text, before its line is known. */
export class SourceError extends Error {
  /** @param at Index of the first wrong character. */
  constructor(message: string, readonly at: number) {
    super(message);
  }

  /** The same, with its line. */
  in(code: string): ShaderError {
    let line = 1;
    for (let i = code.indexOf("\n"); i >= 0 && i < this.at;) {
      line++;
      i = code.indexOf("\n", i + 1);
    }
    return new ShaderError(this.message, line);
  }
}
