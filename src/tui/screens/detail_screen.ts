/** One run, on five pages. @module */

import type { RunInfo } from "../../run/files/runs.ts";
import {
  type ChartView,
  panned,
  shownSteps,
  WHOLE_CHART,
  zoomed,
} from "../charts/loss_chart.ts";
import { SMOOTHINGS } from "../charts/smoothing.ts";
import { DETAIL_PAGES, type ScreenName } from "../keymap.ts";
import type { Host, Screen, Size } from "../screen.ts";
import type { CheckpointRow } from "../state/checkpoint_rows.ts";
import { RunFeed, type RunRecord } from "../state/run_feed.ts";
import { type Line, line, span } from "../text/line.ts";
import {
  checkpointsPage,
  logLines,
  overviewPage,
  problemCount,
  settingsLines,
} from "./detail_pages.ts";
import { moved } from "./list_cursor.ts";
import { problemLines } from "./problem_lines.ts";
import { actOnRun } from "./run_actions.ts";

/** The log is counted from its end. */
const OPPOSITE: Record<string, string> = {
  up: "down",
  down: "up",
  pageup: "pagedown",
  pagedown: "pageup",
  home: "end",
  end: "home",
};
/** One line is for the tabs. */
const TAB_ROWS = 1;

/** The screen. */
export class DetailScreen implements Screen {
  readonly #host: Host;
  readonly #feed: RunFeed;
  #page = 0;
  #chart: ChartView = WHOLE_CHART;
  /** Per page: the line at the top; of the log, lines behind the bottom. */
  readonly #at = DETAIL_PAGES.map(() => 0);
  /** The checkpoint that was gone to; null: the newest. */
  #checkpoint: string | null = null;
  /** Lines of the log that the page has been told of. */
  #logged = 0;
  #rows = 10;

  constructor(host: Host, runId: string) {
    this.#host = host;
    host.lastRun = runId;
    this.#feed = new RunFeed(host.root, runId, {
      state: host.runs().find((run) => run.runId === runId)?.state ?? null,
      onChange: () => host.changed(),
    });
  }

  get name(): ScreenName {
    return this.#feed.record.removed ? "removed" : DETAIL_PAGES[this.#page];
  }

  get title(): string {
    return this.#feed.record.runId;
  }

  resumed(): void {
    void this.#feed.reloadCheckpoints();
  }

  view({ columns, rows }: Size): Line[] {
    const record = this.#record();
    if (record.removed) {
      return [
        [span("this run was removed", "warn")],
        line(
          span("Esc", "accent"),
          span(" goes back to the runs", "dim"),
        ),
      ];
    }
    const size = { columns, rows: rows - TAB_ROWS };
    this.#rows = size.rows;
    return [this.#tabs(record, columns), ...this.#pageLines(record, size)];
  }

  act(action: string): void {
    const { runId } = this.#feed.record;
    const tab = /^tab(\d)$/.exec(action);
    const { length } = DETAIL_PAGES;
    if (tab) this.#page = Number(tab[1]) - 1;
    else if (action === "nextTab") this.#page = (this.#page + 1) % length;
    else if (action === "previousTab") {
      this.#page = (this.#page + length - 1) % length;
    } else if (action === "back") return this.#host.back();
    else if (!this.#move(action) && !this.#look(action)) {
      actOnRun(this.#host, runId, action, this.#chosen()?.name);
    }
    this.#host.changed(true);
  }

  [Symbol.dispose](): void {
    this.#feed[Symbol.dispose]();
  }

  #info(): RunInfo | undefined {
    const { runId } = this.#feed.record;
    return this.#host.runs().find((run) => run.runId === runId);
  }

  /** With what is wrong with the settings, which the feed does not read. */
  #record(): RunRecord {
    const { record } = this.#feed;
    const { meta, state, broken } = this.#info() ?? {};
    const isOnlyMeta = meta === null && state && broken;
    return isOnlyMeta
      ? { ...record, problems: [broken, ...record.problems] }
      : record;
  }

  #tabs(record: RunRecord, columns: number): Line {
    const { state, problems: damage, checkpoints } = record;
    const problems = problemCount(state, damage.length);
    const counts = ["", "", checkpoints.length, "", problems];
    const isNarrow = columns < 72;
    return DETAIL_PAGES.map((page, i) => {
      const isOpen = i === this.#page;
      // In a very narrow window, the number says which page a key opens.
      const isCut = columns < 56 && !isOpen;
      const name = isCut ? "" : ` ${page}`;
      const count = !counts[i] || isNarrow && i === 2
        ? ""
        : isCut
        ? "!"
        : ` ${counts[i]}`;
      const text = ` ${i + 1}${name}${count}${isNarrow ? "" : " "}`;
      return isOpen
        ? { text, inverse: true, bold: true }
        : span(text, i === 4 && problems > 0 ? "warn" : "dim");
    });
  }

  #pageLines(record: RunRecord, size: Size): Line[] {
    const { columns } = size;
    const now = this.#host.now();
    switch (DETAIL_PAGES[this.#page]) {
      case "overview": {
        const chart = this.#chart;
        const closeUp = this.#feed.curvesOf(shownSteps(record.extent, chart));
        return overviewPage(record, { size, chart, now, closeUp });
      }
      case "log":
        return this.#logWindow(size);
      case "checkpoints": {
        const at = this.#checkpointAt();
        return checkpointsPage(record, { size, at, now });
      }
      case "settings": {
        const meta = this.#info()?.meta ?? null;
        return this.#window(settingsLines(meta, columns), size);
      }
      case "problems":
        return this.#window(problemLines(record, columns), size);
    }
  }

  /** The part of a page that fits, from where one has scrolled to. */
  #window(lines: readonly Line[], { rows }: Size): Line[] {
    const most = Math.max(0, lines.length - rows);
    const top = this.#at[this.#page] = Math.min(this.#at[this.#page], most);
    return lines.slice(top, top + rows);
  }

  /** The same from the end, which is where one is at first. */
  #logWindow({ columns, rows }: Size): Line[] {
    const { log, logged } = this.#feed.record;
    if (log.length === 0) return [[span("nothing was logged yet", "dim")]];
    const lines = logLines(log, columns);
    const added = Math.min(log.length, logged - this.#logged);
    this.#logged = logged;
    let back = this.#at[this.#page];
    // What was scrolled to stays where it is, whatever is logged meanwhile.
    if (back > 0 && added > 0) {
      back += logLines(log.slice(-added), columns).length;
    }
    const most = Math.max(0, lines.length - rows);
    back = this.#at[this.#page] = Math.min(back, most);
    return lines.slice(most - back, most - back + rows);
  }

  /** The checkpoint that is selected, where one sees it. */
  #chosen(): CheckpointRow | undefined {
    return DETAIL_PAGES[this.#page] === "checkpoints"
      ? this.#feed.record.checkpoints[this.#checkpointAt()]
      : undefined;
  }

  #checkpointAt(): number {
    const { checkpoints } = this.#feed.record;
    const at = checkpoints.findIndex(({ name }) => name === this.#checkpoint);
    return Math.max(0, at);
  }

  /** Scrolls, or moves the selection. */
  #move(action: string): boolean {
    const page = Math.max(1, this.#rows - 2);
    const name = DETAIL_PAGES[this.#page];
    if (name === "overview") return false;
    if (name === "checkpoints") {
      const { checkpoints } = this.#feed.record;
      const count = checkpoints.length;
      const at = moved(action, { at: this.#checkpointAt(), count, page });
      if (at === null) return false;
      this.#checkpoint = checkpoints[at]?.name ?? null;
      return true;
    }
    const turned = name === "log" ? OPPOSITE[action] ?? action : action;
    // The end is known when the lines are.
    const count = Infinity;
    const at = moved(turned, { at: this.#at[this.#page], count, page });
    if (at === null) return false;
    this.#at[this.#page] = at;
    return true;
  }

  /** Looks at the curves in another way. */
  #look(action: string): boolean {
    const chart = this.#chart;
    const { rows } = this.#feed.record.extent;
    switch (action) {
      case "zoomIn":
        this.#chart = zoomed(chart, 1 / 2, rows);
        if (this.#chart === chart) this.#host.say("single steps are in sight");
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
