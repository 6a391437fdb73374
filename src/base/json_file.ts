/**
 * Small JSON files: written whole, read without trust.
 *
 * @module
 */

import { replaceFile } from "./atomic_file.ts";
import { readLimitedText } from "./limited_file.ts";
import { parseJson } from "./parse_json.ts";

/** Replaces `path` with `value`, indented, so that a crash leaves it whole. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await replaceFile(path, jsonText(value));
}

/** The text that {@linkcode writeJson} writes. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2) + "\n";
}

/**
 * The value in `path`, or undefined if there is no such file.
 *
 * @throws {SyntaxError} If the file is not JSON.
 * @throws {UnexpectedFile} If it is far too large, or no file.
 */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readLimitedText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseJson(text);
}
