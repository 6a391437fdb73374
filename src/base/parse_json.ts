/**
 * JSON that somebody else may have written.
 *
 * V8 reads values of any depth, but what walks them afterwards (schemas,
 * `JSON.stringify`) has a stack to lose, and indenting takes the square of the
 * depth: 200 kB of brackets become 800 MB of spaces.
 *
 * @module
 */

import { type KeyRange, parseRenamed } from "./renamed_keys.ts";

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
  const escaped = scan(text);
  return escaped.length === 0 ? JSON.parse(text) : parseRenamed(text, escaped);
}

/** Whether a value is an object with names, not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks the depth, and finds the keys that have escapes in them. */
function scan(text: string): KeyRange[] {
  const escaped: KeyRange[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const { end, hasEscapes } = stringAt(text, at);
      if (hasEscapes && isKey(text, end)) escaped.push({ start: at, end });
      at = end - 1;
    } else if (code === OPEN[0] || code === OPEN[1]) {
      if (++depth > MAX_DEPTH) {
        throw new SyntaxError(`It nests deeper than ${MAX_DEPTH} levels`);
      }
    } else if (code === CLOSE[0] || code === CLOSE[1]) depth--;
  }
  return escaped;
}

/** Where the string ends that begins at `start`. */
function stringAt(
  text: string,
  start: number,
): { end: number; hasEscapes: boolean } {
  let hasEscapes = false;
  let at = start + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) break;
    if (code !== BACKSLASH) continue;
    hasEscapes = true;
    at++;
  }
  return { end: at + 1, hasEscapes };
}

/** Whether a colon follows. */
function isKey(text: string, at: number): boolean {
  while (" \t\r\n".includes(text.charAt(at) || "x")) at++;
  return text.charAt(at) === ":";
}
