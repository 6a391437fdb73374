/**
 * A line chart as plain text, without colors, so it reads the same in a
 * terminal, a log file and a test.
 *
 * @module
 */

import { plotSeries, type Series } from "./plot.ts";

/** Size of the whole text, legend and axes included. */
export interface ChartOptions {
  /** At least 24. */
  columns: number;
  /** At least 7. */
  rows: number;
  /** What x counts, shown under the axis. */
  xName: string;
}

/** Draws `series`; no line ends in spaces. */
export function renderChart(
  series: readonly Series[],
  { columns, rows, xName }: ChartOptions,
): string {
  // Below the plot: axis, numbers, legend.
  const height = Math.max(7, rows) - 3;
  const plot = plotSeries(series, { columns, height });
  if (plot === null) return "(nothing to draw yet)";
  const legend = series.map(({ name, mark }) => `${mark ?? "⠒⠒"} ${name}`);
  const indent = " ".repeat(plot.margin);
  return [
    ...plot.rows.map(({ label, cells }) =>
      label + cells.map(({ char }) => char).join("")
    ),
    `${indent.slice(1)}└${plot.axis}`,
    indent + plot.numbers,
    indent + [xName, ...legend].join("   "),
  ].map((line) => line.trimEnd()).join("\n");
}
