/**
 * A bar that fills from the left, in eighths of a column.
 *
 * @module
 */

import { type Span, span, type Tone } from "../text/line.ts";

const EIGHTHS = " ▏▎▍▌▋▊▉";

/** The bar in `columns`. @param fraction 0 to 1; others are clamped. */
export function gauge(
  fraction: number,
  columns: number,
  tone: Tone = "accent",
): Span[] {
  const part = Math.min(
    1,
    Math.max(0, Number.isFinite(fraction) ? fraction : 0),
  );
  const eighths = Math.round(part * columns * 8);
  const full = "█".repeat(eighths >> 3);
  const rest = eighths & 7;
  const filled = full + (rest > 0 ? EIGHTHS[rest] : "");
  return [
    span(filled, tone),
    span("·".repeat(Math.max(0, columns - filled.length)), "dim"),
  ];
}
