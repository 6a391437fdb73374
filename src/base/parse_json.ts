/**
 * JSON that somebody else may have written.
 *
 * V8 reads values of any depth, but what walks them afterwards (schemas,
 * `JSON.stringify`) has a stack to lose, and indenting takes the square of the
 * depth: 200 kB of brackets become 800 MB of spaces.
 *
 * @module
 */

/** Ours are 6 deep at most; the deepest tokenizer.json known has 9. */
const MAX_DEPTH = 64;
const QUOTE = 0x22, BACKSLASH = 0x5c;
/** Brackets and braces. */
const OPEN = [0x5b, 0x7b], CLOSE = [0x5d, 0x7d];

/**
 * The value of `text`.
 *
 * @throws {SyntaxError} If it is not JSON, or nests deeper than 64 levels.
 */
export function parseJson(text: string): unknown {
  checkDepth(text);
  return JSON.parse(text);
}

/** Whether a value is an object with names, not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN[0] || code === OPEN[1]) {
      if (++depth > MAX_DEPTH) {
        throw new SyntaxError(`It nests deeper than ${MAX_DEPTH} levels`);
      }
    } else if (code === CLOSE[0] || code === CLOSE[1]) depth--;
  }
}
