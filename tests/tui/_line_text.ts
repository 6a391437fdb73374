import type { Line } from "../../src/tui/text/line.ts";

/** The text of a line, without its looks. */
export function lineText(line: Line): string {
  return line.map(({ text }) => text).join("");
}
