/**
 * Curves as cells of a terminal: eight braille dots to a character, numbers
 * for the axes. Pure; a cell knows its curve, so that it can be colored.
 *
 * @module
 */

import { axisTicks, formatTick, logTicks } from "./axis_ticks.ts";

/** One curve. */
export interface Series {
  /** Shown in the legend. */
  name: string;
  /**
   * Points in ascending order of x, which counts steps; those that are not
   * finite are left out.
   */
  points: readonly (readonly [x: number, y: number])[];
  /** One character that marks each point; without it, a line joins them. */
  mark?: string;
}

/** Part of an axis. */
export interface Range {
  low: number;
  high: number;
}

/** Size and ranges. */
export interface PlotOptions {
  /** Of the curves with their axes. At least 24. */
  columns: number;
  /** Of the curves alone. At least 4. */
  height: number;
  /** The part of x to show; default: all. */
  x?: Range;
  /** Steps on the y axis are factors; curves are above 0. */
  logY?: boolean;
}

/** One character of the plot. */
export interface Cell {
  char: string;
  /** Index of the curve that was drawn last here; null: nothing is here. */
  series: number | null;
}

/** What was drawn. */
export interface Plot {
  /** From the top; the label has the margin's width and its tick. */
  rows: { label: string; cells: Cell[] }[];
  /** Columns left of the cells, the axis included. */
  margin: number;
  /** `─┬───`, below the cells. */
  axis: string;
  /** Below the axis. */
  numbers: string;
  x: Range;
}

/** Bit of a braille character for the dot at [row][column]. */
const DOT_BITS = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BRAILLE_BLANK = 0x2800;

/** Draws `series`, the last one on top; null if there is nothing to draw. */
export function plotSeries(
  series: readonly Series[],
  { columns, height, x: shown, logY = false }: PlotOptions,
): Plot | null {
  const scale = logY ? Math.log10 : (value: number) => value;
  const drawn = series.map((one) => ({
    mark: one.mark,
    points: finite(visible(one, shown), scale),
  }));
  if (drawn.every(({ points }) => points.length === 0)) return null;

  // 1. Ranges and ticks.
  const x = shown ?? stepRange(drawn.map(({ points }) => points));
  const y = rangeOf(drawn.map(({ points }) => points), x);
  const most = Math.max(2, height >> 1);
  const yTicks = logY ? logTicks(y, most) : axisTicks(y, most);
  const yTexts = yTicks.map((tick) => formatTick(tick, yTicks));
  const margin = Math.max(...yTexts.map((text) => text.length), 0) + 1;
  const width = Math.max(24, columns) - margin - 1;

  // 2. The plot: lines in dots, then marks over them.
  const dotColumn = (value: number) =>
    Math.round((value - x.low) / (x.high - x.low) * (width * 2 - 1));
  const dotRow = (value: number) =>
    (y.high - value) / (y.high - y.low) * (height * 4 - 1);
  const bits = Array.from({ length: height }, () => Array(width).fill(0));
  const owner: (number | null)[][] = bits.map(() => Array(width).fill(null));
  const marks: (string | undefined)[][] = bits.map(() => []);
  drawn.forEach(({ points, mark }, index) => {
    const own = (column: number, row: number, draw: () => void) => {
      if (column < 0 || column >= width || row < 0 || row >= height) return;
      owner[row][column] = index;
      draw();
    };
    if (mark !== undefined) {
      for (const [a, b] of points) {
        const column = dotColumn(a) >> 1, row = Math.round(dotRow(b)) >> 2;
        own(column, row, () => marks[row][column] = mark);
      }
    } else {
      const line = meanPerColumn(points, { dotColumn, dotRow });
      drawLine(line, (dotX, dotY) => {
        const column = dotX >> 1, row = dotY >> 2;
        own(column, row, () => {
          bits[row][column] |= DOT_BITS[dotY & 3][dotX & 1];
        });
      });
    }
  });

  // 3. The axes.
  const yTextOfRow = new Map(
    yTicks.map((tick, i) => [Math.round(dotRow(scale(tick))) >> 2, yTexts[i]]),
  );
  return {
    rows: bits.map((line, row) => {
      const label = yTextOfRow.get(row);
      return {
        label: `${(label ?? "").padStart(margin)}${label ? "┤" : "│"}`,
        cells: line.map((dots, column) => ({
          char: marks[row][column] ??
            (dots === 0 ? " " : String.fromCharCode(BRAILLE_BLANK + dots)),
          series: owner[row][column],
        })),
      };
    }),
    margin: margin + 1,
    ...xAxis(x, width, (value) => dotColumn(value) >> 1),
    x,
  };
}

/** The points in a range of x, and a neighbor on both sides for the lines. */
function visible(
  { points, mark }: Series,
  shown: Range | undefined,
): Series["points"] {
  if (shown === undefined) return points;
  const isIn = ([x]: readonly [number, number]) =>
    x >= shown.low && x <= shown.high;
  if (mark !== undefined) return points.filter(isIn);
  const first = points.findIndex(([x]) => x >= shown.low);
  if (first < 0) return [];
  const last = points.findLastIndex(([x]) => x <= shown.high);
  return points.slice(Math.max(0, first - 1), last + 2);
}

/** The points that can be drawn, with y on its scale. */
function finite(
  points: Series["points"],
  scale: (value: number) => number,
): [x: number, y: number][] {
  const drawn: [number, number][] = [];
  // A loop each, here and below: curves have tens of thousands of points.
  for (const [x, value] of points) {
    const y = scale(value);
    if (Number.isFinite(x) && Number.isFinite(y)) drawn.push([x, y]);
  }
  return drawn;
}

/** The steps there are; after the only one comes the next. */
function stepRange(curves: readonly Series["points"][]): Range {
  const ends = curves.filter((points) => points.length > 0);
  const low = Math.min(...ends.map(([[x]]) => x));
  const high = Math.max(...ends.map((points) => points.at(-1)![0]));
  return { low, high: low < high ? high : low + 1 };
}

/**
 * Least and greatest value between these steps, or of all if none is there;
 * made different so that one can divide.
 */
function rangeOf(curves: readonly Series["points"][], x: Range): Range {
  let [low, high] = [Infinity, -Infinity];
  const take = (isWanted: (step: number) => boolean) => {
    for (const points of curves) {
      for (const [step, value] of points) {
        if (!isWanted(step)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  };
  take((step) => step >= x.low && step <= x.high);
  if (low > high) take(() => true);
  if (low < high) return { low, high };
  return { low: low - 1, high: high + 1 };
}

/** The mean row of each column: many noisy points become one line. */
function meanPerColumn(
  points: Series["points"],
  { dotColumn, dotRow }: {
    dotColumn: (x: number) => number;
    dotRow: (y: number) => number;
  },
): [column: number, row: number][] {
  const means: [number, number][] = [];
  let at = NaN, sum = 0, count = 0;
  const finish = () => {
    if (count > 0) means.push([at, Math.round(sum / count)]);
  };
  for (const [x, y] of points) {
    const column = dotColumn(x);
    if (column !== at) {
      finish();
      at = column;
      sum = count = 0;
    }
    sum += dotRow(y);
    count++;
  }
  finish();
  return means;
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
  x: Range,
  width: number,
  columnOf: (value: number) => number,
): { axis: string; numbers: string } {
  const axis = Array(width).fill("─");
  const numbers = Array(width).fill(" ");
  const ticks = axisTicks(x, Math.max(3, Math.floor(width / 10)))
    .filter(Number.isInteger); // there are no half steps
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
