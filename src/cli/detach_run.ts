/**
 * `--detach`: a run that goes on when this process, its shell and its
 * terminal are gone. Waits until it really trains, so that whatever is wrong
 * shows here.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type {
  DetachedProcess,
  ProcessEnd,
  StartOutcome,
} from "../run/detach.ts";
import type { RunPaths } from "../run/run_paths.ts";
import type { App } from "./app.ts";
import { noteRunning, printOutcome } from "./run_outcome.ts";
import { RunView } from "./run_view.ts";
import { safeText } from "./safe_text.ts";
import { Stopped, StopSignal } from "./stop_signal.ts";

/** A run that this process has checked and another one is to train. */
export interface DetachableRun {
  runId: string;
  paths: RunPaths;
  /** Takes the directory of a new run away again. */
  undo?(): Promise<void>;
}

/**
 * Starts this program again to train a run, and returns once it does.
 *
 * @param setUp Checks what can be checked and makes the run's directory.
 * @throws {UserError} What the other process failed with.
 * @throws {Stopped} By Ctrl+C before there is another process.
 */
export async function detachRun(
  app: App,
  setUp: () => Promise<DetachableRun>,
): Promise<void> {
  // Before anything is loaded, so that no Ctrl+C is missed.
  using stop = new StopSignal(app, () => {});
  const { runId, paths, undo = async () => {} } = await setUp();
  const loggedBytes = await sizeOf(paths.log);
  let started: DetachedProcess;
  try {
    stop.signal.throwIfAborted();
    started = await app.io.startAgain({ runId, output: paths.output });
  } catch (error) {
    await undo();
    throw error;
  }
  const { pid } = started;
  const outcome = await waitForTraining(app, { paths, started, stop });
  if (outcome === null) {
    app.note(`the run goes on in process ${pid}`);
    noteRunning(app, runId);
    app.exitCode = EXIT.aborted;
    return;
  }
  const { state, end } = outcome;
  const endedWell = end?.code === EXIT.ok || end?.code === EXIT.stopped;
  if (end && !endedWell || state === null) {
    if (!await exists(paths.dir)) await undo();
    throw failure(app, { runId, pid, end });
  }
  app.exitCode = end?.code ?? EXIT.ok;

  const { status } = state;
  if (app.json) return app.printJson({ runId, pid, status, dir: paths.dir });
  for (const line of await logHead(paths.log, loggedBytes)) {
    app.note(safeText(line));
  }
  if (end) return printOutcome(app, state);
  if (app.quiet) return app.print(runId);
  app.print(`run         ${runId}, ${status} in process ${pid}`);
  noteRunning(app, runId);
}

/** Shows what the other process prepares. @returns Null after Ctrl+C. */
async function waitForTraining(
  app: App,
  { paths, started, stop }: {
    paths: RunPaths;
    started: DetachedProcess;
    stop: StopSignal;
  },
): Promise<StartOutcome | null> {
  const { untilTraining } = await import("../run/detach.ts");
  using view = new RunView(app, { onUnread: () => stop.abort() });
  try {
    return await untilTraining({
      paths,
      process: started,
      onState: ({ preparing }) => preparing && view.prepare(preparing),
      signal: stop.signal,
    });
  } catch (error) {
    if (error instanceof Stopped) return null;
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

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** The other process's error as if it were this one's. */
function failure(
  app: App,
  { runId, pid, end }: { runId: string; pid: number; end: ProcessEnd | null },
): UserError {
  const { code = null, signal = null, output = "" } = end ?? {};
  const told = /^error: (.*)\nhint: (.*)\n$/m.exec(output);
  if (told) {
    const [, message, hint] = told;
    return new UserError(message, {
      hint,
      exitCode: code === EXIT.usage ? EXIT.usage : EXIT.failed,
    });
  }
  if (output) app.io.stderr.write(output);
  const how = signal === null
    ? `ended with exit code ${code}`
    : `was ended by ${signal}`;
  return new UserError(`Cannot train "${runId}": process ${pid} ${how}`, {
    hint: `type hearth resume ${runId} to see what goes wrong`,
  });
}
