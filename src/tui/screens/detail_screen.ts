/** One run, on five pages. @module */

import type { Host, Screen, Size } from "../screen.ts";
import { SMOOTHINGS } from "../charts/smoothing.ts";
import {
  type ChartView,
  panned,
  shownSteps,
  WHOLE_CHART,
  zoomed,
} from "../charts/loss_chart.ts";
import { RunFeed } from "../state/run_feed.ts";
import { type Line, line, span } from "../text/line.ts";
import {
  checkpointsPage,
  logPage,
  overviewPage,
  problemCount,
  problemsPage,
  settingsPage,
} from "./detail_pages.ts";
import { moved } from "./list_cursor.ts";
import { actOnRun } from "./run_actions.ts";

const PAGES = ["overview", "log", "checkpoints", "settings", "problems"];
/** No list is longer than this; the pages know their own ends. */
const MANY = 1_000_000;

/** The screen. */
export class DetailScreen implements Screen {
  readonly name = "detail";
  readonly #host: Host;
  readonly #feed: RunFeed;
  #page = 0;
  #chart: ChartView = WHOLE_CHART;
  /** Per page: the line at the top, or the one that is selected. */
  #at = PAGES.map(() => 0);
  #rows = 10;

  constructor(host: Host, runId: string) {
    this.#host = host;
    host.lastRun = runId;
    this.#feed = new RunFeed(host.root, runId, {
      state: host.runs().find((run) => run.runId === runId)?.state ?? null,
      onChange: () => host.changed(),
    });
  }

  get title(): string {
    return this.#feed.record.runId;
  }

  resumed(): void {
    void this.#feed.reloadCheckpoints();
  }

  view({ columns, rows }: Size): Line[] {
    const { record } = this.#feed;
    if (record.removed) {
      return [
        [span("this run was removed", "warn")],
        line(
          span("Esc", "accent"),
          span(" goes back to the runs", "dim"),
        ),
      ];
    }
    const problems = problemCount(record.state, record.problems.length);
    const counts = ["", "", record.checkpoints.length, "", problems];
    const isNarrow = columns < 72;
    const tabs = PAGES.flatMap((page, i) => {
      const count = counts[i] && !(isNarrow && i === 2) ? ` ${counts[i]}` : "";
      const text = ` ${i + 1} ${page}${count}${isNarrow ? "" : " "}`;
      return [
        i === this.#page
          ? { text, inverse: true, bold: true }
          : span(text, i === 4 && problems > 0 ? "warn" : "dim"),
      ];
    });
    const size = { columns, rows: rows - 1 };
    this.#rows = size.rows;
    return [tabs, ...this.#pageLines(size)];
  }

  act(action: string): void {
    const { runId, checkpoints } = this.#feed.record;
    const tab = /^tab(\d)$/.exec(action);
    if (tab) this.#page = Number(tab[1]) - 1;
    else if (action === "nextTab") this.#page = (this.#page + 1) % PAGES.length;
    else if (action === "previousTab") {
      this.#page = (this.#page + PAGES.length - 1) % PAGES.length;
    } else if (action === "back") return this.#host.back();
    else if (!this.#move(action) && !this.#look(action)) {
      if (this.#feed.record.removed) {
        return this.#host.say(`${runId} was removed`, "warn");
      }
      const chosen = this.#page === 2 ? checkpoints[this.#at[2]] : undefined;
      actOnRun(this.#host, runId, action, chosen?.name);
    }
    this.#host.changed(true);
  }

  [Symbol.dispose](): void {
    this.#feed[Symbol.dispose]();
  }

  #pageLines(size: Size): Line[] {
    const { record } = this.#feed;
    const now = this.#host.now();
    const at = this.#at[this.#page];
    switch (this.#page) {
      case 0: {
        const chart = this.#chart;
        const closeUp = this.#feed.curvesOf(shownSteps(record.extent, chart));
        return overviewPage(record, { size, chart, now, closeUp });
      }
      case 1:
        return logPage(record, { size, back: at });
      case 2:
        return checkpointsPage(record, { size, at, now });
      case 3: {
        const info = this.#host.runs().find(({ runId }) =>
          runId === record.runId
        );
        return settingsPage(info?.meta ?? null, { size, top: at });
      }
      default:
        return problemsPage(record, { size, top: at });
    }
  }

  /** Scrolls, or moves the selection. */
  #move(action: string): boolean {
    const page = this.#page;
    const isLog = page === 1;
    const opposite: Record<string, string> = {
      up: "down",
      down: "up",
      pageup: "pagedown",
      pagedown: "pageup",
      home: "end",
      end: "home",
    };
    const count = page === 2
      ? this.#feed.record.checkpoints.length
      : page === 0
      ? 1
      : MANY;
    // The log is counted from its end, which is where one is at first.
    const at = moved(isLog ? opposite[action] ?? action : action, {
      at: this.#at[page],
      count: isLog ? this.#feed.record.log.length : count,
      page: Math.max(1, this.#rows - 2),
    });
    if (at === null) return false;
    this.#at[page] = at;
    return true;
  }

  /** Looks at the curves in another way. */
  #look(action: string): boolean {
    const chart = this.#chart;
    const { rows } = this.#feed.record.extent;
    switch (action) {
      case "zoomIn":
        this.#chart = zoomed(chart, 1 / 2, rows);
        return true;
      case "zoomOut":
        this.#chart = zoomed(chart, 2, rows);
        return true;
      case "left":
        this.#chart = panned(chart, -1);
        return true;
      case "right":
        this.#chart = panned(chart, 1);
        return true;
      case "log":
        this.#chart = { ...chart, logY: !chart.logY };
        return true;
      case "smooth": {
        const next = SMOOTHINGS.findIndex((one) => one === chart.smoothing) + 1;
        const smoothing = SMOOTHINGS[next % SMOOTHINGS.length];
        this.#chart = { ...chart, smoothing };
        return true;
      }
      default:
        return false;
    }
  }
}
