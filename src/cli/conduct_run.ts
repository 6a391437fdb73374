/**
 * What `train`, `resume` and `demo` have in common: a run in the foreground,
 * shown while it trains, stopped by Ctrl+C.
 *
 * @module
 */

import { EXIT } from "../base/errors.ts";
import type { RunEvent } from "../run/run_event.ts";
import type { RunOptions } from "../run/runner.ts";
import type { App } from "./app.ts";
import {
  formatOutcome,
  nextCommands,
  type RunOutcome,
  RunView,
} from "./run_view.ts";
import { StopSignal } from "./stop_signal.ts";

/** Loads what is needed and begins the run. */
export type Begin = (
  options: RunOptions,
) => Promise<AsyncIterable<RunEvent>>;

/** Trains, shows it, and prints what came of it and what to do next. */
export async function conductRun(app: App, begin: Begin): Promise<void> {
  const outcome = await watchRun(app, begin);
  if (app.json) return; // the last event says it all
  if (app.quiet) return app.print(outcome.runId);
  app.print(formatOutcome(outcome));
  app.note();
  app.note(nextCommands(outcome, app.io.program));
}

/**
 * Trains and shows it.
 *
 * @throws {Stopped} By Ctrl+C before it has begun.
 * @throws {Deno.errors.BrokenPipe} At the end, if nobody read on.
 */
export async function watchRun(app: App, begin: Begin): Promise<RunOutcome> {
  const view = new RunView(app, { onUnread: () => stop.abort() });
  // Before anything is loaded, so that no Ctrl+C is missed.
  let isPressed = false;
  using stop = new StopSignal(app, () => {
    isPressed = true;
    view.announceStop();
  });
  const { train } = await import("../train/loop.ts");
  const { openSession } = await import("../train/open_session.ts");
  const events = await begin({
    root: app.root,
    commandLine: app.io.commandLine,
    signal: stop.signal,
    onPrepare: (progress) => view.prepare(progress),
    engine: { openSession, train },
  });
  stop.signal.throwIfAborted();
  const outcome = await view.show(events);
  // Who closes a pipe, as head does, has read enough: that is no interruption.
  if (outcome.status === "stopped" && isPressed) app.exitCode = EXIT.stopped;
  if (!view.isRead) throw new Deno.errors.BrokenPipe("the output is closed");
  return outcome;
}
