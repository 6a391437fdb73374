/**
 * The whole screen: header, a screen's lines, footer. Pure.
 *
 * @module
 */

import { type Binding, KEYMAP, keySign, type ScreenName } from "./keymap.ts";
import type { Size } from "./screen.ts";
import {
  bold,
  cutLine,
  fitLine,
  fitRows,
  type Line,
  lineWidth,
  sliceLine,
  type Span,
  span,
  spread,
} from "./text/line.ts";
import { panel } from "./text/panel.ts";
import { wrapWidth } from "./text/width.ts";

/** Below this, nothing can be read. */
const SMALLEST: Size = { columns: 40, rows: 10 };

/** What is around the screen on top. */
export interface FrameParts {
  /** Names of the screens from the bottom to the top. */
  path: readonly string[];
  screen: ScreenName;
  /** Of the screen on top, for a size. */
  body: (size: Size) => Line[];
  /** In the middle of everything: the help, a question. */
  overlay: (size: Size) => Line[] | null;
  /** What was just said. */
  message: Span | null;
  /** Runs in all, and those at work. */
  counts: { runs: number; alive: number };
  /** Updates a second. */
  rate: number;
  isPaused: boolean;
}

/** Exactly `rows` lines of at most `columns`. */
export function frameLines(parts: FrameParts, size: Size): Line[] {
  const { columns, rows } = size;
  if (columns < SMALLEST.columns || rows < SMALLEST.rows) {
    const text = `This window is ${columns}x${rows}; ` +
      `${SMALLEST.columns}x${SMALLEST.rows} are needed`;
    const lines = wrapWidth(text, columns).map((one) => [span(one, "warn")]);
    return fitRows(lines, rows);
  }
  const body = { columns: columns - 2, rows: rows - 2 };
  const overlay = parts.overlay(body);
  const lines = fitRows(parts.body(body), body.rows);
  if (overlay !== null) cover(lines, overlay, body);
  const footer = parts.message === null
    ? [footerLine(KEYMAP[parts.screen], columns)]
    : messageLines(parts.message, columns);
  // A long message hides what is above it for a while.
  lines.splice(body.rows + 1 - footer.length);
  return [
    headerLine(parts, columns),
    ...lines.map((one) => [span(" "), ...cutLine(one, body.columns)]),
    ...footer,
  ];
}

function headerLine(
  { path, counts, rate, isPaused }: FrameParts,
  columns: number,
): Line {
  const names = path.flatMap((name, i): Span[] => [
    span(" › ", "dim"),
    i === path.length - 1 ? bold(name) : span(name),
  ]);
  const alive = counts.alive > 0 ? `${counts.alive} running` : "";
  const about = [`${counts.runs} run${counts.runs === 1 ? "" : "s"}`, alive]
    .filter(Boolean).join(", ");
  return spread(
    [span(" "), bold("hearth", "accent"), ...names],
    [
      span(about, "dim"),
      span("  "),
      isPaused ? bold("paused", "warn") : span(`${rate}/s`, "dim"),
      span(" "),
    ],
    columns,
  );
}

/** Nothing that one may do needs more words. */
const MOST_MESSAGE_ROWS = 4;

function messageLines(message: Span, columns: number): Line[] {
  return wrapWidth(message.text, columns - 2).slice(0, MOST_MESSAGE_ROWS)
    .map((text) => [span(" "), { ...message, text }]);
}

/** The keys that fit, the help always among them. */
export function footerLine(
  bindings: readonly Binding[],
  columns: number,
): Line {
  const shown = bindings.filter(({ label }) => label !== "");
  const spans = ({ keys, label }: Binding): Line => [
    bold(keySign(keys[0]), "accent"),
    span(` ${label}`, "dim"),
  ];
  const last = shown.filter(({ action }) =>
    action === "help" || action === "quit"
  );
  const lastWidth = last.reduce(
    (sum, one) => sum + lineWidth(spans(one)) + 2,
    1,
  );
  const line: Span[] = [span(" ")];
  for (const binding of shown) {
    if (last.includes(binding)) continue;
    const part = spans(binding);
    if (lineWidth(line) + lineWidth(part) + 2 + lastWidth > columns) break;
    line.push(...part, span("  "));
  }
  for (const binding of last) line.push(...spans(binding), span("  "));
  return cutLine(line, columns);
}

/** Puts `overlay` into the middle of `lines`. */
function cover(lines: Line[], overlay: readonly Line[], size: Size): void {
  const width = Math.max(...overlay.map(lineWidth));
  const left = Math.max(0, Math.floor((size.columns - width) / 2));
  const top = Math.max(0, Math.floor((size.rows - overlay.length) / 2));
  overlay.slice(0, size.rows).forEach((over, i) => {
    const under = fitLine(lines[top + i], size.columns)
      .map((one) => ({ ...one, tone: "dim" as const }));
    lines[top + i] = [
      ...sliceLine(under, 0, left),
      ...fitLine(over, width),
      ...sliceLine(under, left + width, size.columns),
    ];
  });
}

/** The last line that the help may begin with. */
export function helpEnd(screen: ScreenName, { rows }: Size): number {
  return Math.max(0, KEYMAP[screen].length + 2 - rows);
}

/** All keys of a screen, from line `top` on, at most {@linkcode helpEnd}. */
export function helpOverlay(
  screen: ScreenName,
  { columns, rows }: Size,
  top: number,
): Line[] {
  const lines = KEYMAP[screen].map(({ keys, help }): Line => [
    bold(keys.map(keySign).join(" ").padEnd(16), "accent"),
    span(help),
  ]);
  const width = Math.min(columns, Math.max(44, ...lines.map(lineWidth)) + 4);
  const height = Math.min(rows, lines.length + 2);
  return panel(lines.slice(top), {
    title: "keys",
    columns: width,
    rows: height,
    focused: true,
    note: lines.length > height - 2 ? [span("↑↓ more", "dim")] : [],
  });
}
