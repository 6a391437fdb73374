/**
 * A frame with a title around lines, as in other full-screen programs.
 *
 * @module
 */

import {
  bold,
  cutLine,
  fitLine,
  fitRows,
  type Line,
  lineWidth,
  type Span,
  span,
} from "./line.ts";

/** What is around the lines. */
export interface PanelOptions {
  title: string;
  /** At the right of the upper edge. */
  note?: Line;
  /** Of the whole, frame included. */
  columns: number;
  rows: number;
  /** The keys go here. */
  focused?: boolean;
}

/** Columns and rows that are left inside. */
export function insidePanel(
  { columns, rows }: { columns: number; rows: number },
): { columns: number; rows: number } {
  return { columns: Math.max(1, columns - 4), rows: Math.max(0, rows - 2) };
}

/** `lines` in a frame of exactly `rows` rows. */
export function panel(
  lines: readonly Line[],
  { title, note = [], columns, rows, focused = false }: PanelOptions,
): Line[] {
  const tone = focused ? "accent" : "dim";
  const edge = (text: string): Span => span(text, tone);
  const name = title === "" ? [] : [span(" "), bold(title), span(" ")];
  const room = columns - 4 - lineWidth(name);
  const shownNote = note.length > 0 && room >= lineWidth(note) + 2
    ? [span(" "), ...note, span(" ")]
    : [];
  const rule = columns - 4 - lineWidth(name) - lineWidth(shownNote);
  const top = [
    edge("╭─"),
    ...cutLine(name, columns - 4),
    edge("─".repeat(Math.max(0, rule))),
    ...shownNote,
    edge("─╮"),
  ];
  const inside = insidePanel({ columns, rows });
  return [
    top,
    ...fitRows(lines, inside.rows).map((one) => [
      edge("│ "),
      ...fitLine(one, inside.columns),
      edge(" │"),
    ]),
    [edge(`╰${"─".repeat(Math.max(0, columns - 2))}╯`)],
  ];
}
