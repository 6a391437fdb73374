/**
 * `--detach`: a run that goes on when this process, its shell and its
 * terminal are gone. Waits until it really trains, so that whatever is wrong
 * shows here.
 *
 * @module
 */

import { EXIT } from "../../base/errors.ts";
import { safeText } from "../../base/safe_text.ts";
import type { LaunchableRun } from "../../run/background/launch.ts";
import type { App } from "../app.ts";
import { StopSignal } from "../stop_signal.ts";
import { noteRunning, printOutcome } from "./run_outcome.ts";
import { RunView } from "./run_view.ts";

/**
 * Starts this program again to train a run, and returns once it does.
 *
 * @param setUp Checks what can be checked and makes the run's directory.
 * @throws {UserError} What the other process failed with.
 * @throws {Stopped} By Ctrl+C before there is another process.
 */
export async function detachRun(
  app: App,
  setUp: () => Promise<LaunchableRun>,
): Promise<void> {
  // Before anything is loaded, so that no Ctrl+C is missed.
  using stop = new StopSignal(app, () => {});
  const run = await setUp();
  const { runId, paths } = run;
  const loggedBytes = await sizeOf(paths.log);
  const { pid, outcome } = await launch(app, run, stop);
  if (outcome === null) {
    app.note(`the run goes on in process ${pid}`);
    noteRunning(app, runId);
    app.exitCode = EXIT.aborted;
    return;
  }
  const { state, end } = outcome;
  app.exitCode = end?.code ?? EXIT.ok;

  const { status } = state;
  if (app.json) return app.printJson({ runId, pid, status, dir: paths.dir });
  for (const line of await logHead(paths.log, loggedBytes)) {
    app.note(safeText(line));
  }
  if (end) return await printOutcome(app, state);
  if (app.quiet) return app.print(runId);
  app.print(`run         ${runId}, ${status} in process ${pid}`);
  noteRunning(app, runId);
}

/** Shows what the other process prepares. */
async function launch(app: App, run: LaunchableRun, stop: StopSignal) {
  const { launchRun, LaunchFailure } = await import(
    "../../run/background/launch.ts"
  );
  using view = new RunView(app, { onUnread: () => stop.abort() });
  try {
    return await launchRun({
      run,
      start: (options) => app.io.startAgain(options),
      onState: ({ preparing }) => preparing && view.prepare(preparing),
      signal: stop.signal,
    });
  } catch (error) {
    if (error instanceof LaunchFailure && error.output) {
      app.io.stderr.write(safeText(error.output));
    }
    throw error;
  }
}

/** What the console of a run in the foreground shows before it trains. */
async function logHead(path: string, fromByte: number): Promise<string[]> {
  const file = await Deno.open(path).catch(() => null);
  if (file === null) return []; // stopped before there was anything to say
  await file.seek(fromByte, Deno.SeekMode.Start);
  const text = await new Response(file.readable).text(); // which closes it
  const lines = text.split("\n").slice(0, -1);
  const end = lines.findIndex((line) => /^(step|eval|save|done) /.test(line));
  return end < 0 ? lines : lines.slice(0, end);
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}
