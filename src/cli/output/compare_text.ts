/**
 * A comparison of runs as text: tables with one column per run, and the loss
 * curves. Pure.
 *
 * @module
 */

import {
  formatApprox,
  formatCount,
  formatDuration,
  UNKNOWN as unknown,
} from "../../base/format.ts";
import type { Comparison, RunSummary } from "../../run/watch/comparison.ts";
import { renderChart } from "../../tui/charts/braille_chart.ts";
import { formatTable } from "./table.ts";

/** A longer value is cut: it would push the other runs off the screen. */
const MAX_CELL = 32;
const MIN_CELL = 8;
const CHART_ROWS = 14;
const MAX_CHART_COLUMNS = 76;
/** What marks the evaluations of each run in the chart. */
const MARKS = "123456789abcdefghijklmnopqrstuvwxyz";

/** A name, and a cell for each run. */
type Row = readonly [name: string, cells: readonly string[]];

/** All of a comparison, in tables that are no wider than `width` if possible. */
export function formatComparison(
  { runs, settings, measure, curves, table, notes }: Comparison,
  width: number,
): string {
  const ids = runs.map(({ runId }) => runId);
  const part = (title: string, rows: readonly Row[]) =>
    formatRunTable(title, ids, { rows, width });
  const parts = [part(
    "result",
    RESULTS.map(([name, cell]) => [
      name,
      runs.map(cell),
    ]),
  )];
  parts.push(
    settings.length > 0
      ? part(
        "setting",
        settings.map(({ path, values }) => [path, values.map(formatValue)]),
      )
      : "All settings are the same.",
  );
  if (table.rows.length > 0) {
    const between = table.interpolated ? ", interpolated" : "";
    const rows = table.rows.map(({ at, values }): Row => [
      formatCount(at),
      values.map((value) => value.toFixed(4)),
    ]);
    parts.push(
      `${MEASURES[measure]} at the same ${BY[table.by]}${between}:\n` +
        part(table.by, rows),
    );
  }
  if (curves.some(({ points }) => points.length > 1)) {
    const series = curves.map(({ runId, points }, i) => ({
      name: runId,
      points: points.map((one) => [one[table.by], one.value] as const),
      mark: MARKS[i % MARKS.length],
    }));
    const columns = Math.min(width, MAX_CHART_COLUMNS);
    parts.push(
      `${MEASURES[measure]}:\n` +
        renderChart(series, { columns, rows: CHART_ROWS, xName: table.by }),
    );
  }
  if (notes.length > 0) {
    parts.push(notes.map((note) => `note: ${note}`).join("\n"));
  }
  return parts.join("\n\n");
}

const MEASURES = {
  valLoss: "Validation loss (nats per token)",
  valBpb: "Validation loss (bits per byte)",
};
const BY = { step: "step", tokens: "number of training tokens" };

const decimals = (value: number | null) => value?.toFixed(4) ?? unknown;

const RESULTS: [name: string, cell: (run: RunSummary) => string][] = [
  ["status", ({ status }) => status ?? unknown],
  ["device", ({ device }) => device ?? unknown],
  [
    "parameters",
    ({ parameterCount: n }) => n === null ? unknown : formatApprox(n),
  ],
  [
    "steps",
    ({ step, totalSteps }) =>
      step === null
        ? unknown
        : `${formatCount(step)}/${formatCount(totalSteps)}`,
  ],
  ["tokens", ({ tokens }) => formatCount(tokens)],
  ["train loss", ({ trainLoss }) => decimals(trainLoss)],
  ["val loss", ({ valLoss }) => decimals(valLoss)],
  ["best val loss", ({ bestValLoss }) => decimals(bestValLoss)],
  ["bits/byte", ({ valBpb }) => decimals(valBpb)],
  ["time", ({ elapsedMs }) => formatDuration(elapsedMs)],
  ["tok/s", ({ tokensPerSec }) => formatCount(tokensPerSec)],
];

/** One column per run; those that do not fit follow in another table. */
function formatRunTable(
  title: string,
  ids: readonly string[],
  { rows, width }: { rows: readonly Row[]; width: number },
): string {
  const names = Math.max(title.length, ...rows.map(([name]) => name.length));
  const room = Math.max(MIN_CELL, Math.min(MAX_CELL, width - names - 2));
  const fitting = rows.map(([name, cells]): Row => [
    name,
    cells.map((cell) => clipped(cell, room)),
  ]);
  const tables: string[] = [];
  for (let from = 0; from < ids.length;) {
    let to = ids.length,
      text = tableOf(title, ids, { rows: fitting, from, to });
    while (to > from + 1 && widest(text) > width) {
      text = tableOf(title, ids, { rows: fitting, from, to: --to });
    }
    tables.push(text);
    from = to;
  }
  return tables.join("\n\n");
}

function widest(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}

function tableOf(
  title: string,
  ids: readonly string[],
  { rows, from, to }: { rows: readonly Row[]; from: number; to: number },
): string {
  return formatTable(
    [
      [title, "left"],
      ...ids.slice(from, to).map((id) => [id, "right"] as const),
    ],
    rows.map(([name, cells]) => [name, ...cells.slice(from, to)]),
  );
}

function formatValue(value: unknown): string {
  if (value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function clipped(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
