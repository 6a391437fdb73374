/**
 * Stops a run that another process trains.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { writeJson } from "../../base/json_file.ts";
import { readPointer } from "../checkpoints/checkpoint_list.ts";
import { explainingIo } from "../files/explaining_io.ts";
import { acquireLock } from "../files/lock.ts";
import { type RunPaths, runPaths } from "../files/run_paths.ts";
import {
  initialRunState,
  loadRunState,
  type RunState,
} from "../files/run_state.ts";
import { clearStopRequests, requestStop } from "../files/stop_request.ts";
import {
  isSurelyAlive,
  type ProcessIdentity,
} from "../process/process_info.ts";
import { trainerOf } from "./trainer.ts";

/** The trainer looks for requests five times a second. */
const POLL_MS = 100;

/** How to stop. */
export interface StopOptions {
  /** Without finishing the step and saving. */
  now?: boolean;
  /** Sees the state while it waits. */
  onState?: (state: RunState) => void;
  /** Ends the waiting: the promise rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Ends a run, and waits until it has ended.
 *
 * @param runId The id of an existing run.
 * @returns Its last state, or null if it was not running.
 * @throws {UserError} If the process that trains it cannot be ended from here.
 */
export async function stopRun(
  root: string,
  runId: string,
  { now = false, onState = () => {}, signal }: StopOptions = {},
): Promise<RunState | null> {
  const paths = runPaths(root, runId);
  let killed: number | null = null;
  let wasRunning = false;
  for (;;) {
    const state = await stateOf(paths, runId);
    const trainer = await trainerOf(paths, state);
    if (trainer === null) {
      if (!wasRunning) return null;
      await clearStopRequests(paths.dir); // what came too late to be read
      // Read again: it has written its last word since it was asked about.
      const last = await stateOf(paths, runId);
      const isCut = now && last.status === "interrupted";
      return isCut ? await noteStopped(paths, last) : last;
    }
    wasRunning = true;
    if (state.status === "queued") {
      // Who queued it does not train it: wait for the process that does.
    } else if (!now) {
      // Again and again: one that just starts forgets requests to others.
      await explainingIo(paths.dir, () => requestStop(paths.dir, trainer.pid));
    } else if (trainer.pid !== killed) {
      await kill(trainer, runId);
      killed = trainer.pid;
    }
    onState(state);
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A damaged state is no reason not to stop. */
async function stateOf(paths: RunPaths, runId: string): Promise<RunState> {
  const state = await loadRunState(paths).catch(() => undefined);
  return state ?? initialRunState(runId, "interrupted");
}

/** Nothing is lost but the steps since the last save: see CheckpointStore. */
async function kill(trainer: ProcessIdentity, runId: string): Promise<void> {
  const { pid } = trainer;
  const cannot = (why: string, cause?: unknown) =>
    new UserError(`Cannot end "${runId}" at once: ${why}`, {
      hint: `type hearth stop ${runId}, which asks it to end`,
      cause,
    });
  if (!await isSurelyAlive(trainer)) {
    throw cannot(`process ${pid} is not known on this machine`);
  }
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return; // it was faster
    throw cannot(`process ${pid} may not be ended by this user`, cause);
  }
}

/** Writes what a process that was killed could not write any more. */
async function noteStopped(
  paths: RunPaths,
  left: RunState,
): Promise<RunState> {
  const lock = await acquireLock(paths.lock, left.runId);
  try {
    const latest = await readPointer(paths.checkpoints, "latest");
    const state: RunState = {
      ...left,
      status: "stopped",
      lastCheckpoint: latest ?? left.lastCheckpoint,
      updatedAt: new Date().toISOString(),
    };
    await writeJson(paths.state, state);
    return state;
  } finally {
    await lock.release();
  }
}
