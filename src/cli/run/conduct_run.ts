/**
 * What `train`, `resume` and `demo` have in common: a run in this process,
 * shown while it trains, stopped by Ctrl+C or by `hearth stop`.
 *
 * @module
 */

import { EXIT } from "../../base/errors.ts";
import type { RunEvent } from "../../run/run_event.ts";
import type { RunHost, RunOptions } from "../../run/runner.ts";
import type { App } from "../app.ts";
import { StopSignal } from "../stop_signal.ts";
import { printOutcome, type RunOutcome } from "./run_outcome.ts";
import { RunView } from "./run_view.ts";

/** Loads what is needed and begins the run. */
export type Begin = (
  options: RunOptions & RunHost,
) => Promise<AsyncIterable<RunEvent>>;

/**
 * Trains, shows it, and prints what came of it and what to do next. In a
 * process that was detached for it, there is nobody to show it to.
 */
export async function conductRun(app: App, begin: Begin): Promise<void> {
  if (app.io.detachedRun !== null) return await conductUnseen(app, begin);
  const outcome = await watchRun(app, begin);
  if (!app.json) await printOutcome(app, outcome); // else the last event says it all
}

/**
 * Trains and shows it.
 *
 * @throws {Stopped} By Ctrl+C before it has begun.
 * @throws {Deno.errors.BrokenPipe} At the end, if nobody read on.
 * @throws {UserError} At the end, if there was no room for the output.
 */
export async function watchRun(app: App, begin: Begin): Promise<RunOutcome> {
  const view = new RunView(app, { onUnread: () => stop.abort() });
  // Before anything is loaded, so that no Ctrl+C is missed.
  let isAsked = false;
  using stop = new StopSignal(app, () => {
    isAsked = true;
    view.announceStop("Ctrl+C");
  });
  const events = await begin({
    ...await runOptions(app, stop.signal),
    onStopRequest: () => {
      isAsked = true;
      view.announceStop("hearth stop");
    },
    onPrepare: (progress) => view.prepare(progress),
  });
  stop.signal.throwIfAborted();
  const outcome = await view.show(events);
  // Who closes a pipe, as head does, has read enough: that is no interruption.
  if (outcome.status === "stopped" && isAsked) app.exitCode = EXIT.stopped;
  if (view.unwritten) throw view.unwritten;
  return outcome;
}

/** Trains and says nothing but what goes wrong; the run's files tell all. */
async function conductUnseen(app: App, begin: Begin): Promise<void> {
  using stop = new StopSignal(app, () => {});
  for await (const event of await begin(await runOptions(app, stop.signal))) {
    if (event.kind === "closed" && event.status === "stopped") {
      app.exitCode = EXIT.stopped;
    }
  }
}

async function runOptions(
  app: App,
  signal: AbortSignal,
): Promise<RunOptions & RunHost> {
  const { train } = await import("../../train/loop.ts");
  const { openSession } = await import("../../train/open_session.ts");
  return {
    root: app.root,
    commandLine: app.io.commandLine,
    signal,
    engine: { openSession, train },
  };
}
