/**
 * Runs that another process trains: started, and waited for until they really
 * train, so that whatever is wrong shows where they were asked for.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import type { RunPaths } from "../files/run_paths.ts";
import { loadRunState, type RunState } from "../files/run_state.ts";
import type { DetachedProcess, ProcessEnd } from "./detached_process.ts";

/** Often enough for a person who waits. */
const POLL_MS = 100;

/** A run that this process has checked and another one is to train. */
export interface LaunchableRun {
  runId: string;
  paths: RunPaths;
  /** Takes the directory of a new run away again. */
  undo?(): Promise<void>;
}

/** How to launch. */
export interface LaunchOptions {
  run: LaunchableRun;
  /**
   * Starts the process; `output` gets what it prints.
   *
   * @throws {UserError} If that fails.
   */
  start: (
    options: { runId: string; output: string },
  ) => Promise<DetachedProcess>;
  /** Sees the state while the other process prepares. */
  onState?: (state: RunState) => void;
  /**
   * Aborted before there is another process: it is not started, and the
   * promise rejects with the reason. Later: only the waiting ends.
   */
  signal: AbortSignal;
}

/** A run that was launched. */
export interface Launched {
  runId: string;
  pid: number;
  /** Null if the signal ended the waiting. */
  outcome: {
    state: RunState;
    /** It has ended already, and well; null while it trains. */
    end: ProcessEnd | null;
  } | null;
}

/**
 * Starts a process for the run and waits until it trains.
 *
 * @throws {UserError} What the other process failed with.
 */
export async function launchRun(
  { run, start, onState = () => {}, signal }: LaunchOptions,
): Promise<Launched> {
  const { runId, paths, undo = async () => {} } = run;
  let process: DetachedProcess;
  try {
    signal.throwIfAborted();
    process = await start({ runId, output: paths.output });
  } catch (error) {
    await undo();
    throw error;
  }
  const { pid } = process;
  let started: StartOutcome;
  try {
    started = await untilTraining({ paths, process, onState, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    return { runId, pid, outcome: null };
  }
  const { state, end } = started;
  const endedWell = end?.code === EXIT.ok || end?.code === EXIT.stopped;
  if (state === null || end !== null && !endedWell) {
    if (!await exists(paths.dir)) await undo();
    throw new LaunchFailure(runId, pid, end);
  }
  return { runId, pid, outcome: { state, end } };
}

/** What came of a start. */
export interface StartOutcome {
  /** As the process wrote it last; null if it never did. */
  state: RunState | null;
  /** Null while the process lives. */
  end: ProcessEnd | null;
}

/** What to wait for, and how. */
export interface WaitOptions {
  paths: RunPaths;
  process: DetachedProcess;
  /** Sees the state while it waits. */
  onState: (state: RunState) => void;
  /** Ends the waiting: the promise rejects with its reason. */
  signal: AbortSignal;
}

/** Waits until the process trains the run, or has ended. */
export async function untilTraining(
  { paths, process, onState, signal }: WaitOptions,
): Promise<StartOutcome> {
  let end: ProcessEnd | null = null;
  process.ended.then((how) => end = how);
  const pause = () => new Promise((resolve) => setTimeout(resolve, POLL_MS));
  for (;;) {
    signal.throwIfAborted();
    const endBefore = end; // so that the state is read after the end
    const found = await loadRunState(paths).catch(() => undefined);
    const state = found?.pid === process.pid ? found : null;
    if (endBefore || state?.status === "running") {
      return { state, end: endBefore };
    }
    if (state) onState(state);
    await Promise.race([pause(), process.ended]);
  }
}

/** The other process's error as if it were this one's. */
export class LaunchFailure extends UserError {
  /** What it printed in place of an error that can be understood, or "". */
  readonly output: string;

  constructor(runId: string, pid: number, end: ProcessEnd | null) {
    const { code = null, signal = null, output = "" } = end ?? {};
    const told = /^error: (.*)\nhint: (.*)\n$/m.exec(output);
    if (told) {
      const [, message, hint] = told;
      const exitCode = code === EXIT.usage ? EXIT.usage : EXIT.failed;
      super(message, { hint, exitCode });
      this.output = "";
      return;
    }
    const how = signal === null
      ? `ended with exit code ${code}`
      : `was ended by ${signal}`;
    super(`Cannot train "${runId}": process ${pid} ${how}`, {
      hint: `type hearth resume ${runId} to see what goes wrong`,
    });
    this.output = output;
  }
}
