/**
 * The pages of one run: overview, log, checkpoints, settings, problems. Pure.
 *
 * @module
 */

import { formatBytes, formatCount } from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import { formatAge } from "../../base/when.ts";
import type { RunMeta } from "../../run/files/meta.ts";
import type { RunState } from "../../run/files/run_state.ts";
import { type ChartView, lossChart, shownSteps } from "../charts/loss_chart.ts";
import { metricTiles, smallChart } from "../charts/metric_tiles.ts";
import type { Size } from "../screen.ts";
import type { Curves } from "../state/curves.ts";
import type { RunRecord } from "../state/run_feed.ts";
import { beside, bold, type Line, line, selected, span } from "../text/line.ts";
import { insidePanel, panel } from "../text/panel.ts";
import { tableLines } from "../text/table.ts";
import { wrapWidth } from "../text/width.ts";
import { summaryLines } from "./summary_lines.ts";

/** A chart with its axes needs that much. */
const LEAST_CHART_ROWS = 7;

/** Curves, small graphs and the end of the log. */
export function overviewPage(
  record: RunRecord,
  { size: { columns, rows }, chart, now, closeUp }: {
    size: Size;
    chart: ChartView;
    now: number;
    /** Curves with more in them, of the steps that the chart shows. */
    closeUp?: Curves | null;
  },
): Line[] {
  const lines = summaryLines(record, { columns, now });
  const { state, log } = record;
  const curves = closeUp ?? record.curves;
  const steps = shownSteps(record.extent, chart);
  const data = { curves, state, steps };
  const losses = { ...curves, steps };
  const left = rows - lines.length;
  if (columns >= 110 && left >= 20) {
    // Chart and log at the left, graphs in a column at the right.
    const side = columns >= 160 ? 46 : 34;
    const main = columns - side - 1;
    const logRows = Math.max(6, Math.floor(left * 0.3));
    const chartSize = { columns: main, rows: left - logRows };
    const tiles = metricTiles(data, {
      ...insidePanel({ columns: side, rows: left }),
      across: 1,
    });
    return [
      ...lines,
      ...beside([
        {
          width: main,
          lines: [
            ...chartPanel(losses, chart, chartSize),
            ...logPanel(log, { columns: main, rows: logRows }),
          ],
        },
        {
          width: side,
          lines: panel(tiles, { title: "measured", columns: side, rows: left }),
        },
      ]),
    ];
  }
  // One below the other; a small terminal has no room for frames.
  const across = Math.max(1, Math.min(6, Math.floor((columns + 2) / 20)));
  const framed = rows >= 26;
  const tileRows = framed ? 3 : 2;
  const logRows = framed
    ? Math.max(5, Math.floor(left * 0.25))
    : left >= 16
    ? 4
    : 2;
  const chartRows = left - tileRows - logRows;
  const tiles = metricTiles(data, {
    columns,
    rows: tileRows,
    across,
  });
  if (chartRows < LEAST_CHART_ROWS && !framed) {
    // The loss without axes, and one line of the log.
    const lossRows = Math.max(
      2,
      Math.min(LEAST_CHART_ROWS, left - tileRows - 1),
    );
    const rest = left - tileRows - lossRows;
    return [
      ...lines,
      ...smallChart(data, { columns, rows: lossRows }),
      ...tiles,
      ...logTail(log, rest),
    ].slice(0, rows);
  }
  return [
    ...lines,
    ...(framed
      ? chartPanel(losses, chart, { columns, rows: chartRows })
      : lossChart(losses, chart, { columns, rows: chartRows })),
    ...tiles,
    ...(framed
      ? logPanel(log, { columns, rows: logRows })
      : logTail(log, logRows)),
  ];
}

function chartPanel(
  losses: Parameters<typeof lossChart>[0],
  chart: ChartView,
  size: Size,
): Line[] {
  const lines = lossChart(losses, chart, insidePanel(size));
  return panel(lines, { title: "loss", ...size });
}

function logPanel(log: readonly string[], size: Size): Line[] {
  const { rows } = insidePanel(size);
  return panel(tail(log, rows).map((one) => logLine(one)), {
    title: "log",
    ...size,
  });
}

function tail<T>(items: readonly T[], count: number): T[] {
  return count > 0 ? items.slice(-count) : [];
}

function logTail(log: readonly string[], rows: number): Line[] {
  return tail(log, rows).map((one) => [span(one, "dim")]);
}

function logLine(text: string): Line {
  if (/^warning: /.test(text)) return [span(text, "warn")];
  if (/^(eval|save|done)\b/.test(text)) return [span(text)];
  return [span(text, "dim")];
}

/** Lines of the log, wrapped. */
export function logLines(log: readonly string[], columns: number): Line[] {
  return log.flatMap((text) =>
    wrapWidth(text, columns).map((part) => logLine(part))
  );
}

/** All checkpoints, with one selected. */
export function checkpointsPage(
  { checkpoints, state }: RunRecord,
  { size: { columns, rows }, at, now }: { size: Size; at: number; now: number },
): Line[] {
  if (checkpoints.length === 0) {
    return [
      [span("no checkpoint is saved yet", "dim")],
      ...(state?.alive
        ? [line(span("s", "accent"), span(" stops the run, which saves one"))]
        : []),
    ];
  }
  const { header, rows: lines } = tableLines(
    [
      { title: "checkpoint", align: "left" },
      { title: "step", align: "right" },
      { title: "size", align: "right", rank: 1 },
      { title: "saved", align: "right", rank: 2 },
      { title: "", align: "left" },
    ],
    checkpoints.map(({ name, step, sizeBytes, savedAt, isLatest, isBest }) => [
      bold(name),
      span(
        step === null ? "damaged" : formatCount(step),
        step === null ? "bad" : undefined,
      ),
      span(sizeBytes === null ? "–" : formatBytes(sizeBytes)),
      span(savedAt === null ? "–" : formatAge(savedAt, now), "dim"),
      span(
        [isLatest ? "latest" : "", isBest ? "best" : ""].filter(Boolean)
          .join(", "),
        "good",
      ),
    ]),
    columns,
  );
  const top = Math.max(0, Math.min(at - rows + 4, lines.length - rows + 3));
  return [
    header,
    ...lines.slice(top, top + rows - 3).map((one, i) =>
      top + i === at ? selected(one, columns) : one
    ),
    [],
    line(
      span("r", "accent"),
      span(" resumes from it, ", "dim"),
      span("g", "accent"),
      span(" writes text with it", "dim"),
    ),
  ];
}

/** The configuration of the run, and how it was started. */
export function settingsLines(meta: RunMeta | null, columns: number): Line[] {
  if (meta === null) return [[span("meta.json cannot be read", "bad")]];
  return [
    ...wrapWidth(safeText(meta.commandLine.join(" ")), columns).map((one) => [
      span(one, "accent"),
    ]),
    [],
    ...sectionLines(meta.config, ""),
  ];
}

function sectionLines(value: object, indent: string): Line[] {
  return Object.entries(value).flatMap(([key, child]): Line[] =>
    typeof child === "object" && child !== null && !Array.isArray(child)
      ? [
        [span(`${indent}${key}`, "dim")],
        ...sectionLines(child, `${indent}  `),
      ]
      : [
        line(
          span(`${indent}${key}: `.padEnd(22), "dim"),
          typeof child === "string" ? child : JSON.stringify(child),
        ),
      ]
  );
}

/** For the note of a tab: how many there are. */
export function problemCount(state: RunState | null, problems: number): number {
  const own = state === null
    ? 0
    : state.warnings.length + Number(state.error !== null);
  return own + problems;
}
