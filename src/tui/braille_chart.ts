/**
 * A line chart as text: eight braille dots to a character, axes with numbers.
 *
 * Pure: numbers in, one string out, no colors, so it reads the same in a
 * terminal, a log file and a test.
 *
 * @module
 */

import { axisTicks, formatTick } from "./axis_ticks.ts";

/** One curve. */
export interface Series {
  /** Shown in the legend. */
  name: string;
  /** Points in ascending order of x; those that are not finite are left out. */
  points: readonly (readonly [x: number, y: number])[];
  /** One character that marks each point; without it, a line joins them. */
  mark?: string;
}

/** Size of the whole text, legend and axes included. */
export interface ChartOptions {
  /** At least 24. */
  columns: number;
  /** At least 7. */
  rows: number;
  /** What x counts, shown under the axis. */
  xName: string;
}

/** Bit of a braille character for the dot at [row][column]. */
const DOT_BITS = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BRAILLE_BLANK = 0x2800;

/** Draws `series`; no line ends in spaces. */
export function renderChart(
  series: readonly Series[],
  { columns, rows, xName }: ChartOptions,
): string {
  const drawn = series.map((one) => ({
    ...one,
    points: one.points.filter((point) => point.every(Number.isFinite)),
  }));
  const points = drawn.flatMap((one) => one.points);
  if (points.length === 0) return "(nothing to draw yet)";

  // 1. Ranges and ticks. Below the plot: axis, numbers, legend.
  const height = Math.max(7, rows) - 3;
  const y = range(points.map(([, value]) => value));
  const yTicks = axisTicks(y, Math.max(2, height >> 1));
  const yTexts = yTicks.map((tick) => formatTick(tick, yTicks));
  const margin = Math.max(...yTexts.map((text) => text.length)) + 1;
  const width = Math.max(24, columns) - margin - 1;
  const x = range(points.map(([value]) => value));

  // 2. The plot: lines in dots, then marks over them.
  const dotColumn = (value: number) =>
    Math.round((value - x.low) / (x.high - x.low) * (width * 2 - 1));
  const dotRow = (value: number) =>
    (y.high - value) / (y.high - y.low) * (height * 4 - 1);
  const cells = Array.from({ length: height }, () => Array(width).fill(0));
  const marks: (string | undefined)[][] = cells.map(() => []);
  for (const { points, mark } of drawn) {
    const dots = points.map(([a, b]) => [dotColumn(a), dotRow(b)] as const);
    if (mark !== undefined) {
      for (const [column, row] of dots) {
        marks[Math.round(row) >> 2][column >> 1] = mark;
      }
    } else {
      drawLine(meanPerColumn(dots), (column, row) => {
        cells[row >> 2][column >> 1] |= DOT_BITS[row & 3][column & 1];
      });
    }
  }
  const plot = cells.map((line, row) =>
    line.map((bits, column) =>
      marks[row][column] ??
        (bits === 0 ? " " : String.fromCharCode(BRAILLE_BLANK + bits))
    ).join("")
  );

  // 3. Axes and legend around it.
  const yTextOfRow = new Map(
    yTicks.map((tick, i) => [Math.round(dotRow(tick)) >> 2, yTexts[i]]),
  );
  const lines = plot.map((text, row) => {
    const label = yTextOfRow.get(row);
    return `${(label ?? "").padStart(margin)}${label ? "┤" : "│"}${text}`;
  });
  const { axis, numbers } = xAxis(x, width, (value) => dotColumn(value) >> 1);
  lines.push(" ".repeat(margin) + "└" + axis);
  lines.push(" ".repeat(margin + 1) + numbers);
  const legend = drawn.map(({ name, mark }) => `${mark ?? "⠒⠒"} ${name}`);
  lines.push(" ".repeat(margin + 1) + [xName, ...legend].join("   "));
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** Least and greatest value, made different so that one can divide. */
function range(values: readonly number[]): { low: number; high: number } {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low < high) return { low, high };
  return { low: low - 1, high: high + 1 };
}

/** The mean row of each column: many noisy points become one line. */
function meanPerColumn(
  dots: readonly (readonly [column: number, row: number])[],
): [column: number, row: number][] {
  const rowsOf = new Map<number, number[]>();
  for (const [column, row] of dots) {
    const rows = rowsOf.get(column);
    if (rows) rows.push(row);
    else rowsOf.set(column, [row]);
  }
  return [...rowsOf].map(([column, rows]) => [
    column,
    Math.round(rows.reduce((sum, row) => sum + row) / rows.length),
  ]);
}

/** Calls `dot` for every dot on the lines between neighboring points. */
function drawLine(
  points: readonly (readonly [number, number])[],
  dot: (column: number, row: number) => void,
): void {
  points.forEach(([column, row], i) => {
    const [fromColumn, fromRow] = points[Math.max(0, i - 1)];
    const steps = Math.max(
      Math.abs(column - fromColumn),
      Math.abs(row - fromRow),
      1,
    );
    for (let s = 0; s <= steps; s++) {
      dot(
        Math.round(fromColumn + (column - fromColumn) * s / steps),
        Math.round(fromRow + (row - fromRow) * s / steps),
      );
    }
  });
}

/** The axis under the plot and its numbers, each centered on its tick. */
function xAxis(
  x: { low: number; high: number },
  width: number,
  columnOf: (value: number) => number,
): { axis: string; numbers: string } {
  const axis = Array(width).fill("─");
  const numbers = Array(width).fill(" ");
  const ticks = axisTicks(x, Math.max(3, Math.floor(width / 10)));
  let free = 0; // first column that the previous number leaves free
  for (const tick of ticks) {
    const text = formatTick(tick, ticks);
    const column = columnOf(tick);
    const start = Math.min(
      Math.max(0, column - (text.length >> 1)),
      width - text.length,
    );
    axis[column] = "┬";
    if (start < free) continue;
    numbers.splice(start, text.length, ...text);
    free = start + text.length + 1;
  }
  return { axis: axis.join(""), numbers: numbers.join("") };
}
