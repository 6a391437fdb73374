/**
 * Documents of a JSON Lines file: one object per line, text in "text".
 *
 * Other fields are left alone, empty lines and empty texts are skipped. One
 * line is in memory at a time.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { type ReadOptions, readText, type TextFile } from "./text_file.ts";

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
  let rest = "";
  for await (const { text } of readText(file, options)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const json of lines) {
      const document = parseLine(json, file, ++line);
      if (document !== "") yield document;
    }
  }
  const document = parseLine(rest, file, ++line);
  if (document !== "") yield document;
}

function parseLine(json: string, file: TextFile, line: number): string {
  if (json.trim() === "") return "";
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw wrongLine("is not JSON", error);
  }
  if (typeof value !== "object" || value === null || !("text" in value)) {
    throw wrongLine('has no field "text"');
  }
  if (typeof value.text !== "string") {
    throw wrongLine('has a field "text" that is not a string');
  }
  return value.text.toWellFormed();

  function wrongLine(what: string, cause?: unknown): UserError {
    return new UserError(
      `Cannot read dataset "${file.name}": line ${line} ${what}`,
      {
        hint: 'give one object per line, such as {"text": "Once upon a time"}',
        exitCode: EXIT.usage,
        cause,
      },
    );
  }
}
