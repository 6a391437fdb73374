/**
 * Small graphs of what else was measured: learning rate, gradient norm,
 * throughput, processor and GPU. Pure.
 *
 * @module
 */

import { formatBytes, formatCount } from "../../base/format.ts";
import type { RunState } from "../../run/files/run_state.ts";
import type { CurveName, Curves } from "../state/curves.ts";
import {
  beside,
  bold,
  fitRows,
  type Line,
  span,
  spread,
  type Tone,
} from "../text/line.ts";
import { areaGraph } from "./area_graph.ts";
import type { Range } from "./plot.ts";

/** One graph. */
interface Metric {
  curve: CurveName;
  title: string;
  tone: Tone;
  format: (value: number) => string;
  /** Ends of the scale; default: what the values need. */
  scale?: { low?: number; high?: number };
  now: (state: RunState) => number | null;
  /** Shown without values, too: people expect it. */
  always?: boolean;
}

const percent = (value: number) => `${value.toFixed(0)} %`;

const LOSS: Metric = {
  curve: "trainLoss",
  title: "loss",
  tone: "accent",
  format: (loss) => loss.toFixed(4),
  now: ({ trainLoss }) => trainLoss,
};

const METRICS: readonly Metric[] = [
  {
    curve: "tokensPerSec",
    title: "tokens/s",
    tone: "good",
    format: formatCount,
    scale: { low: 0 },
    now: ({ tokensPerSec }) => tokensPerSec,
    always: true,
  },
  {
    curve: "lr",
    title: "lr",
    tone: "accent",
    format: (lr) => lr.toExponential(1),
    scale: { low: 0 },
    now: ({ lr }) => lr,
    always: true,
  },
  {
    curve: "gradNorm",
    title: "grad norm",
    tone: "violet",
    format: (norm) => norm.toFixed(2),
    scale: { low: 0 },
    now: ({ gradNorm }) => gradNorm,
    always: true,
  },
  {
    curve: "gpuUtilPct",
    title: "GPU",
    tone: "good",
    format: percent,
    scale: { low: 0, high: 100 },
    now: ({ telemetry }) => telemetry.gpuUtilPct,
  },
  {
    curve: "vramUsedBytes",
    title: "GPU memory",
    tone: "cyan",
    format: formatBytes,
    scale: { low: 0 },
    now: ({ telemetry }) => telemetry.vramUsedBytes,
  },
  {
    curve: "powerW",
    title: "power",
    tone: "warn",
    format: (watts) => `${watts.toFixed(0)} W`,
    scale: { low: 0 },
    now: ({ telemetry }) => telemetry.powerW,
  },
  {
    curve: "cpuPct",
    title: "CPU",
    tone: "warn",
    format: percent,
    scale: { low: 0 },
    now: ({ telemetry }) => telemetry.cpuPct,
  },
  {
    curve: "rssBytes",
    title: "memory",
    tone: "cyan",
    format: formatBytes,
    scale: { low: 0 },
    now: ({ telemetry }) => telemetry.rssBytes,
  },
  {
    curve: "tempC",
    title: "temperature",
    tone: "warn",
    format: (degrees) => `${degrees.toFixed(0)} °C`,
    scale: { low: 0 },
    now: ({ telemetry }) => telemetry.tempC,
  },
];

/** What the tiles show. */
export interface TileData {
  curves: Curves;
  state: RunState | null;
  /** The steps on the x axis. */
  steps: Range;
}

/** The metrics that have something to show. */
function present({ curves, state }: TileData): Metric[] {
  return METRICS.filter(({ curve, now, always }) =>
    always || curves[curve].length > 0 ||
    (state !== null && now(state) !== null)
  );
}

/** More rows than that show no more of a graph. */
const MOST_GRAPH_ROWS = 8;

/** As many tiles as fit, `across` side by side, as tall as there is room. */
export function metricTiles(
  data: TileData,
  { columns, rows, across }: { columns: number; rows: number; across: number },
): Line[] {
  const gap = 2;
  // A title, a graph, and an empty row between two tiles.
  const most = Math.max(1, Math.floor((rows + 1) / 3));
  const all = present(data);
  const down = across > 1 ? 1 : Math.min(most, all.length);
  const graphRows = Math.max(
    1,
    Math.min(MOST_GRAPH_ROWS, Math.floor((rows + 1) / down) - 2),
  );
  const metrics = all.slice(0, across * down);
  const width = Math.floor((columns - gap * (across - 1)) / across);
  const lines: Line[] = [];
  for (let at = 0; at < metrics.length; at += across) {
    const row = metrics.slice(at, at + across).map((metric) => ({
      width,
      lines: tile(metric, data, { columns: width, rows: graphRows }),
    }));
    if (lines.length > 0) lines.push([]);
    lines.push(...beside(row, gap));
  }
  return fitRows(lines, rows);
}

/** The training loss as such a graph, where there is no room for axes. */
export function smallChart(
  data: TileData,
  { columns, rows }: { columns: number; rows: number },
): Line[] {
  return tile(LOSS, data, { columns, rows: rows - 1 });
}

function tile(
  { curve, title, tone, format, scale, now }: Metric,
  { curves, state, steps }: TileData,
  { columns, rows }: { columns: number; rows: number },
): Line[] {
  const points = curves[curve];
  const last = points.at(-1)?.[1] ?? null;
  const value = state?.alive ? now(state) : last;
  const graph = areaGraph(points, {
    columns,
    rows,
    from: steps.low,
    to: steps.high,
    ...scale,
  });
  return [
    spread(
      [span(title, "dim")],
      [value === null ? span("–", "dim") : bold(format(value), tone)],
      columns,
    ),
    ...graph.map((text): Line => [span(text, tone)]),
  ];
}
