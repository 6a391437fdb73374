/**
 * Rows of styled cells in columns that line up.
 *
 * @module
 */

import { cutLine, type Line, type Span, span } from "./line.ts";
import { fitText, textWidth } from "./width.ts";

/** A column of a table. */
export interface TableColumn {
  title: string;
  align: "left" | "right";
  /** May be left out in a narrow terminal: the highest rank goes first. */
  rank?: number;
  /** Wider cells are cut. */
  most?: number;
}

/** A table as lines. */
export interface TableLines {
  header: Line;
  rows: Line[];
  /** Indices of the columns that are shown. */
  shown: number[];
}

const GAP = 2;

/** Lines of at most `width` columns. */
export function tableLines(
  columns: readonly TableColumn[],
  cells: readonly (readonly Span[])[],
  width: number,
): TableLines {
  const widths = columns.map(({ title, most = Infinity }, i) =>
    Math.min(
      most,
      Math.max(
        textWidth(title),
        ...cells.map((row) => textWidth(row[i].text)),
      ),
    )
  );
  const shown = columns.map((_, i) => i);
  const needed = () => shown.reduce((sum, i) => sum + widths[i] + GAP, -GAP);
  while (needed() > width) {
    const ranks = shown.map((i) => columns[i].rank ?? -1);
    const highest = Math.max(...ranks);
    if (highest < 0) break;
    shown.splice(ranks.indexOf(highest), 1);
  }
  const lineOf = (row: readonly Span[]): Line =>
    cutLine(
      shown.flatMap((i, at) => [
        ...(at > 0 ? [span(" ".repeat(GAP))] : []),
        {
          ...row[i],
          text: fitText(row[i].text, widths[i], columns[i].align),
        },
      ]),
      width,
    );
  return {
    header: lineOf(columns.map(({ title }) => span(title, "dim"))),
    rows: cells.map(lineOf),
    shown,
  };
}

/**
 * Where a window of `rows` lines begins so that `at` is in it, moving as
 * little as possible from `top`.
 */
export function scrollTo(
  { at, top, rows, count }: {
    at: number;
    top: number;
    rows: number;
    count: number;
  },
): number {
  const most = Math.max(0, count - rows);
  const wanted = at < top ? at : at >= top + rows ? at - rows + 1 : top;
  return Math.max(0, Math.min(most, wanted));
}
