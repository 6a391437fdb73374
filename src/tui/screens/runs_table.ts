/**
 * All runs as a table: filtered, sorted, in the columns that fit. Pure.
 *
 * @module
 */

import {
  formatApprox,
  formatBytes,
  formatCount,
  formatDuration,
} from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import { formatAge } from "../../base/when.ts";
import type { RunInfo } from "../../run/files/runs.ts";
import { memoryInUse } from "../../run/telemetry/telemetry.ts";
import { statusSpan } from "../state/status_signs.ts";
import { type Line, type Span, span } from "../text/line.ts";
import { type TableColumn, tableLines } from "../text/table.ts";

/** What a column shows, and what runs are sorted by. */
interface RunColumn extends TableColumn {
  cell: (run: RunInfo, now: number) => Span;
  /** Unknown ones come last, whatever the order. */
  sortBy: (run: RunInfo) => number | string | null;
}

const NONE = "–";

const text = (value: string | null, tone?: Span["tone"]): Span =>
  value === null ? span(NONE, "dim") : span(safeText(value), tone);
const number = (
  value: number | null | undefined,
  format: (value: number) => string,
): Span => text(value == null ? null : format(value));

/** The columns from left to right. */
export const RUN_COLUMNS: readonly RunColumn[] = [
  {
    title: "run",
    align: "left",
    most: 24,
    cell: ({ runId }) => ({ ...text(runId), bold: true }),
    sortBy: ({ runId }) => runId,
  },
  {
    title: "status",
    align: "left",
    cell: ({ state }) => statusSpan(state?.status ?? "broken"),
    sortBy: ({ state }) => state?.status ?? "broken",
  },
  {
    title: "epoch",
    align: "right",
    rank: 5,
    cell: ({ state }) => number(state?.epoch, (epoch) => epoch.toFixed(2)),
    sortBy: ({ state }) => state?.epoch ?? null,
  },
  {
    title: "step",
    align: "right",
    rank: 2,
    cell: ({ state }) =>
      number(
        state?.step,
        (step) => `${formatCount(step)}/${shortCount(state!.totalSteps)}`,
      ),
    sortBy: ({ state }) => state?.step ?? null,
  },
  {
    title: "loss",
    align: "right",
    cell: ({ state }) => number(state?.trainLoss, (loss) => loss.toFixed(4)),
    sortBy: ({ state }) => state?.trainLoss ?? null,
  },
  {
    title: "val loss",
    align: "right",
    rank: 1,
    cell: ({ state }) => number(state?.valLoss, (loss) => loss.toFixed(4)),
    sortBy: ({ state }) => state?.valLoss ?? null,
  },
  {
    title: "tok/s",
    align: "right",
    rank: 4,
    cell: ({ state }) => number(state?.tokensPerSec, formatCount),
    sortBy: ({ state }) => state?.tokensPerSec ?? null,
  },
  {
    title: "device",
    align: "left",
    rank: 8,
    cell: ({ state }) => text(state?.device?.split(": ", 1)[0] ?? null),
    sortBy: ({ state }) => state?.device ?? null,
  },
  {
    title: "GPU %",
    align: "right",
    rank: 7,
    cell: ({ state }) =>
      number(state?.telemetry.gpuUtilPct, (pct) => pct.toFixed(0)),
    sortBy: ({ state }) => state?.telemetry.gpuUtilPct ?? null,
  },
  {
    title: "memory",
    align: "right",
    rank: 6,
    cell: ({ state }) => number(memoryOf(state), formatBytes),
    sortBy: ({ state }) => memoryOf(state),
  },
  {
    title: "ETA",
    align: "right",
    rank: 3,
    cell: ({ state }) => number(remainingOf(state), formatDuration),
    sortBy: ({ state }) => remainingOf(state),
  },
  {
    title: "started",
    align: "right",
    rank: 9,
    cell: ({ startedAt }, now) =>
      startedAt === null ? text(null) : span(formatAge(startedAt, now), "dim"),
    // The newest first.
    sortBy: ({ startedAt }) =>
      startedAt === null ? null : -Date.parse(startedAt),
  },
];

function memoryOf(state: RunInfo["state"]): number | null {
  return state && memoryInUse(state.telemetry);
}

/** Nothing remains of a run that is over, whatever its state says. */
function remainingOf(state: RunInfo["state"]): number | null {
  return state?.alive ? state.remainingMs : null;
}

function shortCount(count: number | null): string {
  if (count === null) return "?";
  return count < 100_000 ? formatCount(count) : formatApprox(count);
}

/** How the table is looked at. */
export interface TableOrder {
  /** Index of a column; null: as they were started, the newest first. */
  sort: number | null;
  reverse: boolean;
  /** Words that all have to be there. */
  filter: string;
}

/** The runs to show, in order. */
export function orderRuns(
  runs: readonly RunInfo[],
  { sort, reverse, filter }: TableOrder,
): RunInfo[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length === 0 ? [...runs] : runs.filter((run) => {
    const text = searchText(run);
    return words.every((word) => text.includes(word));
  });
  const turn = reverse ? -1 : 1;
  if (sort === null) return reverse ? found.reverse() : found;
  const { sortBy } = RUN_COLUMNS[sort];
  return found.sort((a, b) => {
    const [x, y] = [sortBy(a), sortBy(b)];
    if (x === null || y === null) {
      return Number(x === null) - Number(y === null);
    }
    if (typeof x === "string") return turn * x.localeCompare(y as string);
    return turn * (x - (y as number));
  });
}

/** What a filter looks into. */
function searchText({ runId, state, meta }: RunInfo): string {
  const { dataset } = meta?.config.data ?? { dataset: "" };
  return [
    runId,
    state?.status ?? "broken",
    state?.device ?? "",
    meta?.config.model.arch ?? "",
    JSON.stringify(dataset),
  ].join(" ").toLowerCase();
}

/** Header and rows. */
export function runsTable(
  runs: readonly RunInfo[],
  { now, width, order }: { now: number; width: number; order: TableOrder },
): { header: Line; rows: Line[] } {
  const columns = RUN_COLUMNS.map((column, i) =>
    i === order.sort
      ? { ...column, title: `${order.reverse ? "▴" : "▾"}${column.title}` }
      : column
  );
  return tableLines(
    columns,
    runs.map((run) => RUN_COLUMNS.map(({ cell }) => cell(run, now))),
    width,
  );
}
