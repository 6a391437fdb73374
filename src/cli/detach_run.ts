/**
 * `--detach`: a run that goes on when this process, its shell and its
 * terminal are gone. Waits until it really trains, so that whatever is wrong
 * shows here.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { ProcessEnd, StartOutcome } from "../run/detach.ts";
import type { RunPaths } from "../run/run_paths.ts";
import type { RunState } from "../run/run_state.ts";
import type { App } from "./app.ts";
import { LiveLine } from "./live_line.ts";
import { formatStage } from "./progress_bar.ts";
import { Stopped, StopSignal } from "./stop_signal.ts";

/** A run that this process has checked and another one is to train. */
export interface DetachableRun {
  runId: string;
  paths: RunPaths;
  /** Takes the directory of a new run away again. */
  undo?(): Promise<void>;
}

/**
 * Starts this program again to train the run, and returns once it does.
 *
 * @throws {UserError} What the other process failed with.
 */
export async function detachRun(
  app: App,
  { runId, paths, undo = async () => {} }: DetachableRun,
): Promise<void> {
  const { untilTraining } = await import("../run/detach.ts");
  const logged = await readLog(paths.log);
  let started;
  try {
    started = await app.io.startAgain({ runId, output: paths.output });
  } catch (error) {
    await undo();
    throw error;
  }
  const { pid } = started;
  let outcome: StartOutcome;
  try {
    using stages = new StageLine(app);
    using stop = new StopSignal(app, () => {});
    outcome = await untilTraining({
      paths,
      process: started,
      signal: stop.signal,
      onState: (state) => stages.show(state),
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    app.note(`the run goes on in process ${pid}`);
    app.note(nextCommands(runId, app.io.program));
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
  if (app.quiet) return app.print(runId);
  for (const line of headOf((await readLog(paths.log)).slice(logged.length))) {
    app.note(line);
  }
  const where = end ? "" : ` in process ${pid}`;
  app.print(`run         ${runId}, ${status}${where}`);
  app.note();
  app.note(nextCommands(runId, app.io.program));
}

/** What the other process does before it trains. */
class StageLine implements Disposable {
  readonly #app: App;
  readonly #line: LiveLine;
  #stage = "";

  constructor(app: App) {
    this.#app = app;
    this.#line = new LiveLine(app);
  }

  show({ preparing }: RunState): void {
    if (preparing === null) return;
    const { stage, fraction } = preparing;
    if (this.#app.isLive) {
      if (stage !== this.#stage) this.#line.clear();
      this.#line.update((columns) => formatStage(stage, fraction, columns));
    } else if (stage !== this.#stage && !this.#app.json) {
      this.#app.note(stage);
    }
    this.#stage = stage;
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }
}

/** What the console of a run in the foreground shows before it trains. */
function headOf(log: string): string[] {
  const lines = log.split("\n").slice(0, -1);
  const end = lines.findIndex((line) => /^(step|eval|save|done) /.test(line));
  return end < 0 ? lines : lines.slice(0, end);
}

async function readLog(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => ""); // not there yet
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

function nextCommands(runId: string, program: string): string {
  return [
    "Next:",
    ...["status", "attach", "stop"].map((command) =>
      `  ${program} ${command} ${runId}`
    ),
  ].join("\n");
}
