/**
 * What `train`, `resume` and `demo` have in common: a run in the foreground,
 * shown while it trains, stopped by Ctrl+C.
 *
 * @module
 */

import { EXIT } from "../base/errors.ts";
import type { RunEvent } from "../run/run_event.ts";
import type { RunOptions } from "../run/runner.ts";
import { train } from "../train/loop.ts";
import { openSession } from "../train/open_session.ts";
import type { App } from "./app.ts";
import {
  formatOutcome,
  nextCommands,
  type RunOutcome,
  RunView,
} from "./run_view.ts";
import { StopSignal } from "./stop.ts";

/** Trains, shows it, and prints what came of it and what to do next. */
export async function conductRun(
  app: App,
  begin: (options: RunOptions) => AsyncIterable<RunEvent>,
): Promise<void> {
  const outcome = await watchRun(app, begin);
  if (outcome.status === "stopped") app.exitCode = EXIT.stopped;
  if (app.json) return; // the last event says it all
  if (app.quiet) return app.print(outcome.runId);
  app.print(formatOutcome(outcome));
  app.note();
  app.note(nextCommands(outcome, app.io.program));
}

/** Trains and shows it. */
export async function watchRun(
  app: App,
  begin: (options: RunOptions) => AsyncIterable<RunEvent>,
): Promise<RunOutcome> {
  const view = new RunView(app);
  using stop = new StopSignal(app, () => {
    view.print(
      "stopping after this step, saving (Ctrl+C again to quit at once)",
    );
  });
  return await view.show(begin({
    root: app.root,
    commandLine: app.io.commandLine,
    signal: stop.signal,
    onPrepare: (progress) => view.prepare(progress),
    engine: { openSession, train },
  }));
}
