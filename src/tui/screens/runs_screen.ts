/** All runs; the first screen. @module */

import { safeText } from "../../base/safe_text.ts";
import type { RunInfo } from "../../run/files/runs.ts";
import { WHOLE_CHART } from "../charts/loss_chart.ts";
import type { ScreenName } from "../keymap.ts";
import type { Host, Screen, Size } from "../screen.ts";
import { RunFeed, type RunRecord } from "../state/run_feed.ts";
import { bold, type Line, line, selected, span } from "../text/line.ts";
import { scrollTo } from "../text/table.ts";
import { graphemes, textWidth, wrapWidth } from "../text/width.ts";
import { overviewPage } from "./detail_pages.ts";
import { DetailScreen } from "./detail_screen.ts";
import { moved } from "./list_cursor.ts";
import { actOnRun, startRunForm } from "./run_actions.ts";
import {
  orderRuns,
  RUN_COLUMNS,
  runsTable,
  type TableOrder,
} from "./runs_table.ts";

/** Below the table, where there is room for it. */
const PREVIEW_ROWS = 16;

/** What the screen shows; the text follows from it alone. */
export interface RunsView {
  /** In order, filtered. */
  runs: readonly RunInfo[];
  /** How many there are without the filter. */
  total: number;
  at: number;
  top: number;
  order: TableOrder;
  isFiltering: boolean;
  root: string;
  now: number;
  preview: RunRecord | null;
}

/** Rows of the table without its header, when there are so many runs. */
function tableRows(
  { runs, preview, order, isFiltering }: RunsView,
  rows: number,
) {
  const filterRows = isFiltering || order.filter !== "" ? 1 : 0;
  const room = rows - 1 - filterRows;
  const hasPreview = preview !== null && room - runs.length >= PREVIEW_ROWS;
  return { room: hasPreview ? runs.length : room, hasPreview };
}

/** The table, or what to do when there is nothing in it. Pure. */
export function runsLines(view: RunsView, { columns, rows }: Size): Line[] {
  const { runs, at, top, order, isFiltering, now } = view;
  if (view.total === 0) return emptyLines(view.root, { columns, rows });
  const filter: Line[] = isFiltering || order.filter !== ""
    ? [[
      span("filter ", "dim"),
      bold(order.filter, "accent"),
      ...(isFiltering ? [{ text: " ", inverse: true }] : []),
      span(`  ${runs.length} of ${view.total}`, "dim"),
    ]]
    : [];
  const { header, rows: all } = runsTable(runs, { now, width: columns, order });
  const { room, hasPreview } = tableRows(view, rows);
  const shown = all.slice(top, top + room).map((one, i) =>
    top + i === at ? selected(one, columns) : one
  );
  const broken = runs[at]?.broken;
  const lines = [...filter, header, ...shown];
  if (runs.length === 0) lines.push([span("no run matches", "dim")]);
  const left = rows - lines.length;
  if (broken != null && left > 2) {
    return [
      ...lines,
      [],
      ...wrapWidth(safeText(`✗ ${broken}`), columns).map((one): Line => [
        span(one, "bad"),
      ]),
    ].slice(0, rows);
  }
  if (!hasPreview || view.preview === null) return lines;
  const size = { columns, rows: left - 2 };
  const preview = overviewPage(view.preview, { size, chart: WHOLE_CHART, now });
  const title = ` ${view.preview.runId} `;
  return [
    ...lines,
    [],
    [
      span("──", "dim"),
      bold(title),
      span("─".repeat(Math.max(0, columns - 2 - textWidth(title))), "dim"),
    ],
    ...preview,
  ];
}

function emptyLines(root: string, { columns, rows }: Size): Line[] {
  const text: Line[] = [
    [bold("No runs yet")],
    [],
    line(bold("n", "accent"), "  starts one: on the built-in stories,"),
    line("   or on your own text"),
    [],
    [span(`runs are kept in ${root}`, "dim")],
  ];
  const top = Math.max(0, Math.floor((rows - text.length) / 2) - 1);
  const left = " ".repeat(Math.max(0, Math.floor((columns - 42) / 2)));
  return [
    ...Array.from({ length: top }, (): Line => []),
    ...text.map((one): Line => [span(left), ...one]),
  ];
}

/** The screen. */
export class RunsScreen implements Screen {
  readonly #host: Host;
  #order: TableOrder = { sort: null, reverse: false, filter: "" };
  #isFiltering = false;
  /** So that the selection stays on a run when others come. */
  #selected: string | null = null;
  #at = 0;
  #top = 0;
  #page = 10;
  #feed: RunFeed | null = null;

  constructor(host: Host) {
    this.#host = host;
  }

  get name(): ScreenName {
    if (this.#isFiltering) return "filter";
    return this.#host.runs().length === 0 ? "empty" : "runs";
  }

  get title(): string {
    return "runs";
  }

  view(size: Size): Line[] {
    const runs = this.#runs();
    const found = runs.findIndex(({ runId }) => runId === this.#selected);
    this.#at = found >= 0
      ? found
      : Math.min(this.#at, Math.max(0, runs.length - 1));
    this.#selected = runs[this.#at]?.runId ?? null;
    const view: RunsView = {
      runs,
      total: this.#host.runs().length,
      at: this.#at,
      top: this.#top,
      order: this.#order,
      isFiltering: this.#isFiltering,
      root: this.#host.root,
      now: this.#host.now(),
      preview: this.#preview(size, runs.length),
    };
    const { room } = tableRows(view, size.rows);
    this.#page = Math.max(1, room - 1);
    const count = runs.length;
    this.#top = scrollTo({ at: this.#at, top: this.#top, rows: room, count });
    return runsLines({ ...view, top: this.#top }, size);
  }

  act(action: string): void {
    const runs = this.#runs();
    const { length: count } = runs;
    const at = moved(action, { at: this.#at, count, page: this.#page });
    if (at !== null) {
      this.#at = at;
      this.#selected = runs[at]?.runId ?? null;
      return this.#host.changed(true);
    }
    switch (action) {
      case "filter":
        this.#isFiltering = true;
        break;
      case "submit":
        this.#isFiltering = false;
        break;
      case "back":
      case "clearFilter":
        this.#isFiltering = false;
        this.#order = { ...this.#order, filter: "" };
        break;
      case "backspace": {
        const filter = graphemes(this.#order.filter).slice(0, -1).join("");
        this.#order = { ...this.#order, filter };
        break;
      }
      case "sort": {
        const next = this.#order.sort === null ? 0 : this.#order.sort + 1;
        const sort = next < RUN_COLUMNS.length ? next : null;
        this.#order = { ...this.#order, sort, reverse: false };
        this.#host.say(
          sort === null
            ? "sorted by start, the newest first"
            : `sorted by ${RUN_COLUMNS[sort].title}`,
        );
        break;
      }
      case "reverse":
        this.#order = { ...this.#order, reverse: !this.#order.reverse };
        break;
      case "new":
        startRunForm(this.#host);
        break;
      default: {
        const run = runs[this.#at];
        if (run === undefined) return this.#host.say("no run matches", "warn");
        if (action === "open") {
          this.#host.open(new DetailScreen(this.#host, run.runId));
        } else actOnRun(this.#host, run.runId, action);
      }
    }
    this.#host.changed(true);
  }

  resumed(): void {
    this.#selected = this.#host.lastRun ?? this.#selected;
  }

  type(text: string): boolean {
    if (!this.#isFiltering) return false;
    this.#order = { ...this.#order, filter: this.#order.filter + text };
    this.#host.changed(true);
    return true;
  }

  [Symbol.dispose](): void {
    this.#feed?.[Symbol.dispose]();
  }

  #runs(): RunInfo[] {
    return orderRuns(this.#host.runs(), this.#order);
  }

  /** The selected run, if there is room to show more of it. */
  #preview(size: Size, count: number): RunRecord | null {
    const fits = size.rows - count - 2 >= PREVIEW_ROWS && size.columns >= 60;
    const runId = fits ? this.#selected : null;
    if (this.#feed?.record.runId !== runId) {
      this.#feed?.[Symbol.dispose]();
      this.#feed = runId === null ? null : new RunFeed(this.#host.root, runId, {
        state: this.#runs().find((run) => run.runId === runId)?.state ?? null,
        onChange: () => this.#host.changed(),
      });
    }
    return this.#feed?.record.loaded || this.#feed?.record.state
      ? this.#feed.record
      : null;
  }
}
