/**
 * Lines of styled text: what screens are made of. Pure, without escapes, so
 * that a test compares them as they are read.
 *
 * @module
 */

import { safeText } from "../../base/safe_text.ts";
import { cutText, fitText, graphemes, textWidth } from "./width.ts";

/** What a piece of text means; theme.ts has the colors. */
export type Tone =
  | "plain"
  | "dim"
  | "accent"
  | "good"
  | "warn"
  | "bad"
  | "violet"
  | "cyan";

/** A piece of a line in one style. */
export interface Span {
  readonly text: string;
  readonly tone?: Tone;
  readonly bold?: boolean;
  /** Dark on light, or the other way round: what is selected. */
  readonly inverse?: boolean;
}

/** One row of the screen. */
export type Line = readonly Span[];

/** A piece of text; one of a file may hold what drives a terminal. */
export function span(given: string, tone?: Tone): Span {
  const text = safeText(given).replaceAll(/[\t\n]/g, " ");
  return tone === undefined ? { text } : { text, tone };
}

/** A piece of text that stands out. */
export function bold(text: string, tone?: Tone): Span {
  return { ...span(text, tone), bold: true };
}

/** A line of spans and plain texts. */
export function line(...parts: (Span | string)[]): Line {
  return parts.map((part) => typeof part === "string" ? span(part) : part);
}

/** Columns that the line takes. */
export function lineWidth(line: Line): number {
  return line.reduce((sum, { text }) => sum + textWidth(text), 0);
}

/** The beginning of the line that fits; what is cut ends in an ellipsis. */
export function cutLine(line: Line, width: number): Line {
  if (lineWidth(line) <= width) return line;
  const cut: Span[] = [];
  let left = width;
  for (const one of line) {
    const wide = textWidth(one.text);
    if (wide < left) {
      cut.push(one);
      left -= wide;
    } else {
      // Something follows, or this span is too wide: there is an ellipsis.
      cut.push({ ...one, text: cutText(`${one.text}  `, left) });
      break;
    }
  }
  return cut;
}

/**
 * The columns from `from` to `to`, and no ellipsis; half of a wide character
 * is a space.
 */
export function sliceLine(line: Line, from: number, to: number): Line {
  const slice: Span[] = [];
  let at = 0;
  for (const one of line) {
    let text = "";
    for (const char of graphemes(one.text)) {
      const width = textWidth(char);
      const inside = Math.min(at + width, to) - Math.max(at, from);
      at += width;
      if (inside === width) text += char;
      else if (inside > 0) text += " ".repeat(inside);
    }
    if (text !== "") slice.push({ ...one, text });
    if (at >= to) break;
  }
  return slice;
}

/** The line in exactly `width` columns. */
export function fitLine(line: Line, width: number): Line {
  const cut = cutLine(line, width);
  const missing = width - lineWidth(cut);
  return missing > 0 ? [...cut, { text: " ".repeat(missing) }] : cut;
}

/** `left` at the one end of `width` columns, `right` at the other. */
export function spread(left: Line, right: Line, width: number): Line {
  const room = width - lineWidth(right);
  if (room < 12) return fitLine(left, width);
  return [...fitLine(left, room - 1), { text: " " }, ...right];
}

/**
 * The line as the one that is selected, over all of `width`; its colors would
 * become patches of background.
 */
export function selected(line: Line, width: number): Line {
  return fitLine(line, width)
    .map(({ tone: _, ...one }) => ({ ...one, inverse: true }));
}

/** Exactly `rows` lines: cut, or filled with empty ones. */
export function fitRows(lines: readonly Line[], rows: number): Line[] {
  const cut = lines.slice(0, Math.max(0, rows));
  while (cut.length < rows) cut.push([]);
  return cut;
}

/** Blocks of lines side by side, each in its width, with a gap between. */
export function beside(
  blocks: readonly { lines: readonly Line[]; width: number }[],
  gap = 1,
): Line[] {
  const rows = Math.max(...blocks.map(({ lines }) => lines.length));
  return Array.from(
    { length: rows },
    (_, row) =>
      blocks.flatMap(({ lines, width }, i) => [
        ...(i > 0 ? [{ text: " ".repeat(gap) }] : []),
        ...fitLine(lines[row] ?? [], width),
      ]),
  );
}

/** `name  value` lines with the values lined up. */
export function fields(
  rows: readonly (readonly [name: string, ...value: (Span | string)[]])[],
): Line[] {
  const width = Math.max(...rows.map(([name]) => textWidth(name)));
  return rows.map(([name, ...value]) =>
    line(span(fitText(name, width + 2), "dim"), ...value)
  );
}
