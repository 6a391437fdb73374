/**
 * Starts and resumes runs: the one path from a configuration to files on disk.
 *
 * Console, detached process and dashboard all iterate over the events; the
 * files are written on the way. However the iteration ends (completed,
 * stopped, failed, or given up by the consumer), device and lock are freed and
 * `state.json` says what happened.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import type { HearthConfig } from "../config/schema.ts";
import type { Progress, TrainEvent } from "../train/events.ts";
import type { Session, Snapshot } from "../train/session.ts";
import type { LoadedCheckpoint } from "./checkpoint_list.ts";
import { CheckpointStore } from "./checkpoint_store.ts";
import type { Engine, PrepareProgress } from "./engine.ts";
import { explainingIo } from "./io_problem.ts";
import { removeLeftovers } from "./leftovers.ts";
import { acquireLock } from "./lock.ts";
import {
  initialMeta,
  loadMeta,
  type RunMeta,
  saveMeta,
  withSession,
} from "./meta.ts";
import { truncateMetrics } from "./metrics.ts";
import { RunRecorder } from "./recorder.ts";
import { makeRunDirectory, type NewRunDirectory } from "./run_directory.ts";
import type { RunEvent, RunOpened } from "./run_event.ts";
import { rootPaths, type RunPaths, runPaths } from "./run_paths.ts";
import {
  initialRunState,
  loadRunState,
  type RunState,
  type RunStatus,
} from "./run_state.ts";
import { resolveRun } from "./runs.ts";
import { alreadyComplete, loadStartPoint } from "./start_point.ts";

/** What starting and resuming have in common. */
export interface RunOptions {
  /** The directory of `data`, `runs` and `checkpoints`. */
  root: string;
  /** How this process was called; kept in `meta.json`. */
  commandLine: readonly string[];
  /** Finish the step, save, and end with status `stopped`. */
  signal?: AbortSignal;
  /** Hears of the work before the first event of training. */
  onPrepare?: (progress: PrepareProgress) => void;
  /** What trains. */
  engine: Engine;
}

/** A new run. */
export interface StartOptions extends RunOptions {
  config: HearthConfig;
  /** Chosen for it if left out. */
  runId?: string;
}

/** A run that goes on. */
export interface ResumeOptions extends RunOptions {
  /** Id, unique beginning of one, or `latest`, the default. */
  ref?: string;
  /** As for `loadCheckpoint`. */
  from?: string;
  /** Train up to this step, in place of the checkpoint's own end. */
  totalSteps?: number;
}

/**
 * Trains a new run.
 *
 * @throws {UserError} For wrong input, when nothing is left on disk; and for
 * what goes wrong later, when the run is `failed`.
 */
export async function* startRun(
  options: StartOptions,
): AsyncGenerator<RunEvent> {
  const { root, config, commandLine } = options;
  const created = await makeRunDirectory(root, options.runId);
  const { runId, paths } = created;
  const meta = initialMeta({ runId, config, commandLine });
  yield* conduct({ ...options, meta, paths, created });
}

/**
 * Goes on with a run from a checkpoint, bit for bit as if it had not been
 * interrupted. A run that ended before its first checkpoint starts anew.
 *
 * @throws {UserError} If there is no such run or checkpoint, the run is
 * complete or being trained, or its data have changed.
 */
export async function* resumeRun(
  options: ResumeOptions,
): AsyncGenerator<RunEvent> {
  const { root, ref = "latest", from, totalSteps } = options;
  const runId = await resolveRun(root, ref);
  const paths = runPaths(root, runId);
  const meta = await loadMeta(paths.meta);
  // A damaged state is no obstacle: the checkpoint holds all that counts.
  const before = await loadRunState(paths).catch(() => undefined);
  const asksForMore = from !== undefined || totalSteps !== undefined;
  if (before?.status === "completed" && !asksForMore) {
    throw alreadyComplete(runId, before.step);
  }
  yield* conduct({ ...options, meta, paths, before });
}

/** A run with its name and place. */
interface Conduct extends RunOptions {
  meta: RunMeta;
  paths: RunPaths;
  /** The new directory of a new run. */
  created?: NewRunDirectory;
  /** The state that a resumed run was left in. */
  before?: RunState;
  from?: string;
  totalSteps?: number;
}

async function* conduct(options: Conduct): AsyncGenerator<RunEvent> {
  const { paths, meta, created, before, signal, engine } = options;
  const { runId } = meta;
  const lock = await explainingIo(
    paths.dir,
    () => acquireLock(paths.lock, runId),
  ).catch(async (error) => {
    await created?.undo();
    throw error;
  });
  const recorder = new RunRecorder(paths, {
    ...before ?? initialRunState(runId, "preparing"),
    status: "preparing",
    warnings: [],
    error: null,
  });
  const onStop = () => recorder.setStatus("stopping");
  let session: Session | null = null;
  let prepared = false, nothingToKeep = false;
  let status: RunStatus = "interrupted"; // if the consumer gives up
  let problem: string | null = null;
  try {
    // 1. Prepare: whatever the user got wrong shows here.
    await explainingIo(paths.dir, async () => {
      await recorder.begin();
      // With this, a run that is stopped while it prepares can be resumed.
      if (created) await saveMeta(paths.meta, meta);
    });
    signal?.addEventListener("abort", onStop);
    yield { kind: "created", runId, dir: paths.dir };
    const startPoint = created
      ? null
      : await loadStartPoint(paths.checkpoints, options.from);
    session = await openSession(options, startPoint);
    const store = await openStore(options, session, startPoint);
    prepared = true;
    const opened = openedEvent(options, session, startPoint);
    await recorder.record(opened);
    yield opened;

    // 2. Train.
    const pending = [...startPoint?.warnings ?? []];
    if (!created && !startPoint) {
      pending.push("No checkpoint was saved before, so the run starts anew");
    }
    const events = engine.train(session, {
      signal,
      save: (snapshot, info) => store.save(snapshot, info),
    });
    for await (const event of events) {
      await recorder.record(event);
      yield event;
      pending.push(...recorder.takeWarnings());
      for (const message of pending.splice(0)) {
        const warning = warningAt(event, message);
        await recorder.record(warning);
        yield warning;
      }
      if (event.kind === "done") {
        status = event.reason === "stopped" ? "stopped" : "completed";
      }
    }
  } catch (error) {
    const stopped = signal?.aborted ?? false;
    if (!prepared && (stopped || error instanceof UserError)) {
      // Nothing has happened to the run yet: leave it as it was.
      status = before?.status ?? "stopped";
      problem = before?.error ?? null;
      nothingToKeep = !stopped;
    } else {
      status = "failed";
      problem = errorMessage(error);
    }
    if (prepared || !stopped) throw error;
  } finally {
    // 3. Free everything, whatever happened.
    signal?.removeEventListener("abort", onStop);
    try {
      await session?.dispose();
    } finally {
      await recorder.end(status, problem);
      await lock.release();
      if (nothingToKeep) await created?.undo();
    }
  }
  yield {
    kind: "closed",
    runId,
    status: status === "completed" ? "completed" : "stopped",
    lastCheckpoint: recorder.state.lastCheckpoint,
  };
}

async function openSession(
  { engine, root, meta, totalSteps, onPrepare, signal }: Conduct,
  startPoint: LoadedCheckpoint<Snapshot> | null,
): Promise<Session> {
  return await engine.openSession({
    config: meta.config,
    dataDir: rootPaths(root).data,
    restore: startPoint?.content,
    totalSteps,
    dataFingerprint: meta.dataset?.fingerprint,
    onPrepare,
    signal,
  });
}

/** Checks the session against the run, and readies the run's files for it. */
async function openStore(
  { paths, meta, created, commandLine }: Conduct,
  session: Session,
  startPoint: LoadedCheckpoint<Snapshot> | null,
): Promise<CheckpointStore> {
  const { step, totalSteps } = session.state;
  if (!created && step >= totalSteps) throw alreadyComplete(meta.runId, step);
  const store = new CheckpointStore(paths.checkpoints, {
    keep: meta.config.checkpoint.keep,
    neededBytes: checkpointBytes(session),
  });
  await store.requireSpace("checkpoints");
  await explainingIo(paths.dir, async () => {
    await removeLeftovers(paths.dir);
    if (startPoint) await store.adopt(startPoint);
    // A run that starts anew also evaluates anew before its first step.
    const lastStep = startPoint ? step : -1;
    if (!created) await truncateMetrics(paths.metrics, lastStep);
    const checkpoint = startPoint?.name ?? null;
    await saveMeta(
      paths.meta,
      withSession(meta, session, { commandLine, checkpoint }),
    );
  });
  return store;
}

function openedEvent(
  { meta, paths }: Conduct,
  session: Session,
  startPoint: LoadedCheckpoint<Snapshot> | null,
): RunOpened {
  const { dataset, state } = session;
  return {
    kind: "opened",
    runId: meta.runId,
    dir: paths.dir,
    config: session.config,
    device: session.device,
    parameterCount: session.parameterCount,
    totalSteps: session.totalSteps,
    stepsPerEpoch: session.stepsPerEpoch,
    trainTokens: dataset.train.tokens,
    valTokens: dataset.val.tokens,
    resumedFrom: startPoint &&
      { checkpoint: startPoint.name, step: state.step },
    bestValLoss: state.bestValLoss,
  };
}

/** Three f32 tensors per parameter, and room for the small files. */
function checkpointBytes({ checkpointBytes, tokenizer }: Session): number {
  // UTF-8 takes at most 3 bytes per UTF-16 unit; headers stay below 1 MB.
  return checkpointBytes + 3 * tokenizer.json.length + 1_000_000;
}

function warningAt(progress: Progress, message: string): TrainEvent {
  const { step, totalSteps, epoch, epochs, tokens, elapsedMs, remainingMs } =
    progress;
  return {
    kind: "warning",
    message,
    step,
    totalSteps,
    epoch,
    epochs,
    tokens,
    elapsedMs,
    remainingMs,
  };
}
