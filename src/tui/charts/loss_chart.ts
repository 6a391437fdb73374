/**
 * Loss and validation loss of a run as colored lines, with axes and legend.
 *
 * @module
 */

import { formatCount } from "../../base/format.ts";
import { type Line, type Span, span, type Tone } from "../text/line.ts";
import type { Points } from "./area_graph.ts";
import { type Cell, plotSeries, type Range, type Series } from "./plot.ts";
import { smoothed } from "./smoothing.ts";

/** How the chart is looked at. */
export interface ChartView {
  /** Weight of the moving average; 0: as measured. */
  smoothing: number;
  logY: boolean;
  /** The part of the steps that is shown: 1 is all. */
  zoom: number;
  /** Where that part ends: 1 is the newest step. */
  end: number;
}

/** Fewer are drawn as they are. */
const FEW_POINTS = 20;

/** Everything, a little smoothed. */
export const WHOLE_CHART: ChartView = {
  smoothing: 0.6,
  logY: false,
  zoom: 1,
  end: 1,
};

/** The steps that a view shows of those there are. */
export function shownSteps(
  { low, high }: Range,
  { zoom, end }: ChartView,
): Range {
  if (!(low < high)) return { low, high };
  const width = (high - low) * zoom;
  const to = Math.max(low + width, low + (high - low) * end);
  return { low: to - width, high: to };
}

/** So few rows can be told apart by anybody. */
const LEAST_ROWS = 8;

/**
 * Twice as much detail, or half as much, around the end of what is shown, as
 * long as some of the `rows` that were logged are left to be seen.
 */
export function zoomed(
  view: ChartView,
  factor: number,
  rows: number,
): ChartView {
  const zoom = Math.min(1, view.zoom * factor);
  if (zoom < view.zoom && zoom * rows < LEAST_ROWS) return view;
  return { ...view, zoom, end: Math.max(view.end, zoom) };
}

/** Half a window earlier or later. */
export function panned(view: ChartView, direction: -1 | 1): ChartView {
  const end = view.end + direction * view.zoom / 2;
  return { ...view, end: Math.min(1, Math.max(view.zoom, end)) };
}

/**
 * The chart in at most `columns` and exactly `rows`; 7 rows are needed.
 *
 * @param curves.steps Those that `view` shows.
 */
export function lossChart(
  { trainLoss, valLoss, steps }: {
    trainLoss: Points;
    valLoss: Points;
    steps: Range;
  },
  view: ChartView,
  { columns, rows }: { columns: number; rows: number },
): Line[] {
  const isRange = steps.low < steps.high;
  const shown = isRange ? steps : undefined;
  const isShown = ([step]: readonly [number, number]) =>
    !isRange || step >= steps.low && step <= steps.high;
  // Few points are no noise, and an average would only lag behind.
  const isFew = trainLoss.filter(isShown).length < FEW_POINTS;
  const weight = isFew ? 0 : view.smoothing;
  const isRough = weight > 0;
  const series: (Series & { tone: Tone })[] = [
    ...(isRough ? [{ name: "", points: trainLoss, tone: "dim" as const }] : []),
    {
      name: isRough ? `loss (smoothed ${weight})` : "loss",
      points: smoothed(trainLoss, weight),
      tone: "accent",
    },
    {
      name: "val loss",
      points: valLoss,
      // Marks that touch each other would hide everything.
      mark: valLoss.filter(isShown).length <= columns / 3 ? "•" : undefined,
      tone: "warn",
    },
  ];
  const height = rows - 3;
  const plot = height < 4 || columns < 24
    ? null
    : plotSeries(series, { columns, height, x: shown, logY: view.logY });
  if (plot === null) return [[span("no losses yet", "dim")]];
  const indent = " ".repeat(plot.margin);
  const legend = series.filter(({ name }) => name !== "").flatMap(
    ({ name, mark, tone }): Span[] => [
      span(`  ${mark ?? "⠒⠒"} `, tone),
      span(name, "dim"),
    ],
  );
  return [
    ...plot.rows.map(({ label, cells }): Line => [
      span(label, "dim"),
      ...runsOf(cells, series.map(({ tone }) => tone)),
    ]),
    [span(`${indent.slice(1)}└${plot.axis}`, "dim")],
    [span(indent + plot.numbers, "dim")],
    [span(`${indent}step`, "dim"), ...legend, ...viewWords(view)],
  ];
}

/** What is not as usual about the view. */
function viewWords({ zoom, end, logY }: ChartView): Span[] {
  return [
    ...(zoom < 1 ? [span(`  zoom ${formatCount(1 / zoom)}x`, "accent")] : []),
    ...(end < 1 && zoom < 1 ? [span(" earlier", "accent")] : []),
    ...(logY ? [span("  log y", "accent")] : []),
  ];
}

/** Cells of the same color as one span. */
function runsOf(cells: readonly Cell[], tones: readonly Tone[]): Span[] {
  const spans: { text: string; tone?: Tone }[] = [];
  for (const { char, series } of cells) {
    const tone = series === null ? undefined : tones[series];
    const last = spans.at(-1);
    if (last && last.tone === tone) last.text += char;
    else spans.push(tone === undefined ? { text: char } : { text: char, tone });
  }
  return spans;
}
