/**
 * Documents of a JSON Lines file: one object per line, text in "text" or in
 * another field that was named.
 *
 * Other fields are left alone, empty lines are skipped. One line is in memory
 * at a time.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/parse_json.ts";
import type { ReadOptions, TextFile } from "./file_bytes.ts";
import { readText } from "./text_file.ts";

/**
 * The texts of `file`, in order.
 *
 * @throws {UserError} Naming the line that is not such an object.
 */
export async function* readJsonLines(
  file: TextFile,
  options: ReadOptions = {},
): AsyncGenerator<string> {
  let line = 0;
  for await (const json of readLines(file, options)) {
    const document = parseLine(json, file, ++line);
    if (document !== null) yield document;
  }
}

async function* readLines(
  file: TextFile,
  options: ReadOptions,
): AsyncGenerator<string> {
  let begun: string[] = []; // parts of a line that is longer than a chunk
  for await (const { text } of readText(file, options)) {
    const lines = text.split("\n");
    begun.push(lines[0]);
    if (lines.length === 1) continue;
    yield begun.join("");
    yield* lines.slice(1, -1);
    begun = [lines[lines.length - 1]];
  }
  yield begun.join("");
}

/** Null for an empty line. */
function parseLine(json: string, file: TextFile, line: number): string | null {
  if (json.trim() === "") return null;
  const field = file.column ?? "text";
  let value: unknown;
  try {
    value = parseJson(json);
  } catch (error) {
    throw wrongLine("is not JSON", error);
  }
  if (typeof value !== "object" || value === null || !(field in value)) {
    throw wrongLine(`has no field "${field}"`);
  }
  const text = (value as Record<string, unknown>)[field];
  if (typeof text !== "string") {
    throw wrongLine(`has a field "${field}" that is not a string`);
  }
  return text.toWellFormed();

  function wrongLine(what: string, cause?: unknown): UserError {
    return new UserError(
      `Cannot read dataset "${file.name}": line ${line} ${what}`,
      {
        hint: `give one object per line, such as {"${field}": "Once upon a ` +
          'time"}, or name another field with --text-column',
        exitCode: EXIT.usage,
        cause,
      },
    );
  }
}
