/**
 * Shows a run while it trains: a live bar in a terminal, one line per logged
 * step elsewhere, one JSON object per line with `--json`.
 *
 * A run of this process is shown by its events, one of another process by its
 * files: its log has the same lines, its state the numbers of the bar.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { isDiskFull } from "../../base/io_problem.ts";
import { safeText } from "../../base/safe_text.ts";
import type { Preparing, RunState } from "../../run/files/run_state.ts";
import { logLines } from "../../run/log_line.ts";
import type { RunEvent } from "../../run/run_event.ts";
import type { FollowEvent } from "../../run/watch/follow_run.ts";
import { formatSilence } from "../../run/watch/silence.ts";
import type { App } from "../app.ts";
import { LiveLine } from "../output/live_line.ts";
import { formatBar } from "../output/progress_bar.ts";
import { StageLine } from "../output/stage_line.ts";
import type { RunOutcome } from "./run_outcome.ts";

/** How often to look whether a run of another process has fallen silent. */
const SILENCE_INTERVAL_MS = 1000;

/** Follows one run. */
export class RunView implements Disposable {
  readonly #app: App;
  readonly #line: LiveLine;
  readonly #onUnread: () => void;
  readonly #stageLine = new StageLine();
  #stage = "";
  #training = false;
  /** The newest one of a run of another process. */
  #state: RunState | null = null;
  /** That it is silent was said last. */
  #isSilent = false;
  #isStopping = false;
  #isRead = true;
  #unwritten: Error | null = null;

  /**
   * @param options.onUnread Nobody reads the output any more: it ends the run
   * well. Nothing is shown from then on.
   */
  constructor(app: App, { onUnread }: { onUnread: () => void }) {
    this.#app = app;
    this.#onUnread = onUnread;
    this.#line = new LiveLine(app);
  }

  /** Why a part of the output was not written; null if nothing is missing. */
  get unwritten(): Error | null {
    return this.#unwritten;
  }

  /** Shows what is done before training. */
  prepare(progress: Preparing): void {
    this.#whileRead(() => this.#showStage(progress));
  }

  /** Says what the first Ctrl+C does, or `hearth stop` elsewhere. */
  announceStop(by: "Ctrl+C" | "hearth stop"): void {
    const work = this.#training ? "and saving" : "the preparation";
    const why = by === "Ctrl+C"
      ? "Ctrl+C again to quit at once"
      : "asked by hearth stop";
    this.#whileRead(() => this.#line.print(`stopping ${work} (${why})`));
  }

  /**
   * Shows every event.
   *
   * @throws Whatever the run throws.
   */
  async show(events: AsyncIterable<RunEvent>): Promise<RunOutcome> {
    const outcome: Partial<RunOutcome> = {
      step: null,
      totalSteps: null,
      elapsedMs: null,
      trainLoss: null,
      valLoss: null,
      bestValLoss: null,
    };
    using _cleared = this.#line; // before any error is printed
    for await (const event of events) {
      record(event, outcome);
      this.#whileRead(() => this.#showEvent(event));
    }
    return outcome as RunOutcome;
  }

  /** Shows what is new of a run of another process. */
  async follow(events: AsyncIterable<FollowEvent>): Promise<void> {
    using _cleared = this.#line;
    const show = this.#app.json
      ? (event: FollowEvent) => this.#printFollowed(event)
      : (event: FollowEvent) => this.#showFollowed(event);
    const timer = setInterval(() => this.#showSilence(), SILENCE_INTERVAL_MS);
    try {
      for await (const event of events) this.#whileRead(() => show(event));
    } finally {
      clearInterval(timer);
    }
  }

  /** Takes away what is not to stay. */
  [Symbol.dispose](): void {
    this.#line.clear();
  }

  /**
   * A closed pipe is no reason to lose what was trained. Neither is a disk that
   * is full: the run goes on, as its own log does, and the next line may fit.
   */
  #whileRead(show: () => void): void {
    if (!this.#isRead) return;
    try {
      show();
    } catch (error) {
      const isFull = error instanceof UserError && isDiskFull(error.cause);
      const isClosed = error instanceof Deno.errors.BrokenPipe;
      if (!isFull && !isClosed) throw error;
      this.#unwritten ??= error;
      if (isFull) return;
      this.#isRead = false;
      this.#onUnread();
    }
  }

  #showStage(progress: Preparing): void {
    const { stage } = progress;
    if (this.#app.isLive) {
      if (stage !== this.#stage) this.#line.clear();
      this.#line.update(this.#stageLine.render(progress));
    } else if (stage !== this.#stage && !this.#app.json) {
      this.#app.note(stage);
    }
    this.#stage = stage;
  }

  #showEvent(event: RunEvent): void {
    const line = this.#line;
    this.#training ||= event.kind === "start";
    if (event.kind === "opened") line.clear(); // nothing is prepared any more
    if (this.#app.json) {
      if (event.kind !== "step" || event.log) this.#app.printJson(event);
    } else if (event.kind === "warning") {
      if (!event.replaces) line.warn(event.message);
    } else if (event.kind === "step" && this.#app.isLive) {
      line.update((columns) => formatBar(event, columns));
    } else {
      for (const text of logLines(event)) line.print(text);
    }
  }

  /** The first state tells what the metrics go on from. */
  #printFollowed(event: FollowEvent): void {
    if (event.kind === "metrics") {
      for (const row of event.metrics) this.#app.printJson(row);
    } else if (event.kind === "state") {
      if (this.#state === null) this.#app.printJson(event.state);
      this.#state = event.state;
    } else if (event.kind === "damaged") {
      this.#line.warn(safeText(event.message));
    }
  }

  #showFollowed(event: FollowEvent): void {
    if (event.kind === "log") {
      for (const line of event.lines) this.#showLogLine(line);
    } else if (event.kind === "state") {
      this.#showState(event.state);
    } else if (event.kind === "damaged") {
      this.#line.warn(safeText(event.message));
    }
  }

  #showLogLine(text: string): void {
    const safe = safeText(text);
    if (safe.startsWith(WARNING)) this.#line.warn(safe.slice(WARNING.length));
    else if (safe.startsWith(ERROR)) return; // told when the run has ended
    else if (this.#app.isLive && safe.startsWith(STEP)) return; // in the bar
    else this.#line.print(safe);
  }

  /** In place of a bar that stands still. */
  #showSilence(): void {
    const silence = this.#state && formatSilence(this.#state, Date.now());
    if (silence === null) return;
    this.#isSilent = true;
    this.#line.update((columns) =>
      `last news ${silence}`.slice(0, Math.max(0, columns - 1))
    );
  }

  #showState(state: RunState): void {
    this.#state = state;
    if (this.#isSilent) this.#line.clear(); // however fresh it is
    this.#isSilent = false;
    const { status, preparing, step, totalSteps } = state;
    if (status === "stopping" && !this.#isStopping) {
      this.#isStopping = true;
      this.#line.print("stopping and saving");
    }
    if (preparing !== null) return this.#showStage(preparing);
    if (step === null || totalSteps === null) return;
    this.#line.update((columns) =>
      formatBar({ ...state, step, totalSteps }, columns)
    );
  }
}

/** How lines of the log begin that are shown in another way. */
const WARNING = "warning: ";
const ERROR = "error: ";
const STEP = "step ";

function record(event: RunEvent, outcome: Partial<RunOutcome>): void {
  switch (event.kind) {
    case "created":
    case "opened":
      return;
    case "closed":
      outcome.runId = event.runId;
      outcome.status = event.status;
      outcome.lastCheckpoint = event.lastCheckpoint;
      return;
    case "step":
      outcome.trainLoss = event.trainLoss;
      break;
    case "eval":
      outcome.valLoss = event.valLoss;
      outcome.bestValLoss = event.bestValLoss;
      break;
  }
  const { step, totalSteps, elapsedMs } = event;
  Object.assign(outcome, { step, totalSteps, elapsedMs });
}
