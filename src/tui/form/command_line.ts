/**
 * A command line as a person would type it.
 *
 * @module
 */

import type { TuiOptions } from "../screen.ts";
import { type Line, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";

/** Words joined, quoted where a shell would take them apart. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => quoted(word)).join(" ");
}

/** The one that calls this program with `args`. */
export function ownCommand(
  { program }: Pick<TuiOptions, "program">,
  args: readonly string[],
): string {
  return commandLine([...program.split(" "), ...args]);
}

/** A command line on the screen. */
export function commandLines(command: string, columns: number): Line[] {
  return wrapWidth(command, columns - 2).map((one, i): Line => [
    span(i === 0 ? "$ " : "  ", "dim"),
    span(one, "accent"),
  ]);
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./~-]+$/.test(word)) return word;
  return Deno.build.os === "windows"
    ? `"${word.replaceAll('"', '\\"')}"`
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
