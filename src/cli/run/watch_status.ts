/**
 * `hearth status --watch`: a run's state as it changes, until the run ends.
 *
 * In a terminal the text of `hearth status` is redrawn in place; elsewhere
 * there is a line per change, and with `--json` a state per line.
 *
 * @module
 */

import { safeJson, safeText } from "../../base/safe_text.ts";
import type { RunState } from "../../run/files/run_state.ts";
import { followRun } from "../../run/watch/follow_run.ts";
import type { App } from "../app.ts";
import { LiveBlock } from "../output/live_block.ts";
import { formatStateLine, formatStatus } from "../output/status_text.ts";
import { StopSignal } from "../stop_signal.ts";
import { brokenRun, removedRun } from "./run_errors.ts";

/** Ages on the screen grow although nothing changes. */
const REDRAW_MS = 1000;
/** Between two lines of a run whose status stays the same. */
const LINE_INTERVAL_MS = 5000;
const JSON_INTERVAL_MS = 1000;

/** Shows each state. */
interface Screen extends Disposable {
  show(state: RunState): void;
  warn(message: string): void;
}

/**
 * Shows the run until it ends or Ctrl+C is pressed.
 *
 * @throws {UserError} If the run is removed, or never has a state.
 */
export async function watchStatus(app: App, runId: string): Promise<void> {
  using stop = new StopSignal(app, () => {});
  using screen = app.io.stdout.isTty && !app.json
    ? new TerminalScreen(app)
    : new LineScreen(app);
  const events = followRun(app.root, runId, { signal: stop.signal });
  let seen: RunState | null = null;
  let problem: string | null = null;
  for await (const event of events) {
    switch (event.kind) {
      case "state":
        seen = event.state;
        screen.show(seen);
        break;
      case "damaged":
        problem = event.message;
        if (seen !== null) screen.warn(problem);
        break;
      case "removed":
        throw removedRun(runId);
    }
  }
  if (seen === null && problem !== null) throw brokenRun(runId, problem);
}

/** Redraws the status in place. */
class TerminalScreen implements Screen {
  readonly #app: App;
  readonly #block: LiveBlock;
  readonly #timer: ReturnType<typeof setInterval>;
  #state: RunState | null = null;

  constructor(app: App) {
    this.#app = app;
    this.#block = new LiveBlock(app);
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
  }

  show(state: RunState): void {
    this.#state = state;
    this.#draw();
  }

  warn(message: string): void {
    this.#block.clear();
    this.#app.warn(safeText(message));
    this.#draw();
  }

  #draw(): void {
    if (this.#state === null) return;
    this.#block.update(safeText(formatStatus(this.#state, Date.now())));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Prints a line when the state has changed, at a pace that can be read. */
class LineScreen implements Screen {
  readonly #app: App;
  #last = "";
  #status = "";
  #printedAt = -Infinity;

  constructor(app: App) {
    this.#app = app;
  }

  show(state: RunState): void {
    const { json } = this.#app;
    const now = performance.now();
    const pace = json ? JSON_INTERVAL_MS : LINE_INTERVAL_MS;
    if (state.status === this.#status && now - this.#printedAt < pace) return;
    const line = json ? safeJson(state) : safeText(formatStateLine(state));
    if (line === this.#last) return;
    this.#app.print(line);
    this.#last = line;
    this.#status = state.status;
    this.#printedAt = now;
  }

  warn(message: string): void {
    this.#app.warn(safeText(message));
  }

  [Symbol.dispose](): void {}
}
