/** `hearth attach`: watches a run that trains in another process. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import type { RunState } from "../../run/files/run_state.ts";
import type { FollowEvent } from "../../run/watch/follow_run.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { brokenRun, removedRun } from "../run/run_errors.ts";
import { noteRunning, printOutcome } from "../run/run_outcome.ts";
import { RunView } from "../run/run_view.ts";
import { StopSignal } from "../stop_signal.ts";

/** So that one sees what has happened lately. */
const LOG_LINES = 20;

/** Adds the command. */
export function addAttachCommand(program: CommandUnknownOpts, app: App): void {
  program.command("attach")
    .summary("watch a run that trains in another process")
    .description(
      "Watch a run that trains in another process as if it trained here, " +
        "until it ends. Ctrl+C detaches again and leaves the run alone. Exits " +
        "with 3 if the run was stopped or interrupted, with 1 if it failed. " +
        "With --json: its state, the rows of its metrics.jsonl as they come, " +
        "and its last state.",
    )
    .argument(
      "[run]",
      "id of a run, its beginning, or latest: the running one started last",
      "latest",
    )
    .addHelpText("after", examples("hearth attach", "hearth attach owl-1"))
    .action(async (ref) => {
      const { readRun, resolveRunning } = await import(
        "../../run/files/runs.ts"
      );
      const runId = await resolveRunning(app.root, ref);
      const { state } = await readRun(app.root, runId);
      const last = state === null || state.alive
        ? await attach(app, runId, state)
        : state;
      if (last !== null) await finish(app, last);
    });
}

/**
 * Shows the run.
 *
 * @param before Its state so far, if it can be read.
 * @returns Its last state; null if a person has seen enough.
 * @throws {UserError} If it is removed, or never has a state.
 * @throws {Deno.errors.BrokenPipe} If nobody reads on.
 */
async function attach(
  app: App,
  runId: string,
  before: RunState | null,
): Promise<RunState | null> {
  const { followRun } = await import("../../run/watch/follow_run.ts");
  using stop = new StopSignal(app, () => {});
  const { signal } = stop;
  const view = new RunView(app, { onUnread: () => stop.abort() });
  if (before !== null && !app.json) {
    app.note(
      `attached to ${runId} in process ${before.pid}; Ctrl+C detaches, the ` +
        "run goes on",
    );
  }
  const noticed: Noticed = { state: before, problem: null, removed: false };
  const events = followRun(app.root, runId, {
    signal,
    ...app.json ? { metrics: "new" } : { lastLogLines: LOG_LINES },
  });
  await view.follow(noticing(events, noticed));
  if (view.unwritten) throw view.unwritten;

  const { state, problem, removed } = noticed;
  if (removed) throw removedRun(runId);
  if (state === null && problem !== null) throw brokenRun(runId, problem);
  if (!signal.aborted) return state;
  if (!app.json) {
    app.note(`detached; ${runId} goes on`);
    noteRunning(app, runId);
  }
  return null;
}

/** What the events have told. */
interface Noticed {
  state: RunState | null;
  problem: string | null;
  removed: boolean;
}

/** Passes events on and keeps what counts in the end. */
async function* noticing(
  events: AsyncIterable<FollowEvent>,
  noticed: Noticed,
): AsyncGenerator<FollowEvent> {
  for await (const event of events) {
    if (event.kind === "state") noticed.state = event.state;
    if (event.kind === "removed") noticed.removed = true;
    if (event.kind === "damaged" && noticed.state === null) {
      noticed.problem = event.message; // an error, if nothing else follows
    } else {
      yield event;
    }
  }
}

/** Says how the run has ended, as if it had been this process's own. */
async function finish(app: App, state: RunState): Promise<void> {
  const { runId, status, error } = state;
  if (app.json) app.printJson(state);
  else await printOutcome(app, state);
  if (status === "failed") {
    throw new UserError(error ?? `The run "${runId}" has failed`, {
      hint: `hearth logs ${runId} shows what came before`,
    });
  }
  if (status !== "completed") app.exitCode = EXIT.stopped;
}
