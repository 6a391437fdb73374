/**
 * The life of a run in this process: prepare, train, and whatever the end,
 * free device and lock and say in `state.json` what happened.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import { type Progress, progressOf, type TrainEvent } from "../train/events.ts";
import { explainingIo } from "./files/explaining_io.ts";
import { acquireLock } from "./files/lock.ts";
import { saveMeta } from "./files/meta.ts";
import { refuseLinks } from "./files/refuse_links.ts";
import type { NewRunDirectory } from "./files/run_directory.ts";
import {
  initialRunState,
  type RunState,
  type RunStatus,
} from "./files/run_state.ts";
import { clearStopRequests, onStopRequest } from "./files/stop_request.ts";
import { warnOfHang } from "./hang_watch.ts";
import { IdleWatch } from "./idle_watch.ts";
import {
  type PreparedRun,
  type PrepareOptions,
  prepareRun,
} from "./prepare_run.ts";
import { RunRecorder } from "./recorder.ts";
import type { RunEvent } from "./run_event.ts";

/** A run with its name and place. */
export interface ConductOptions extends Omit<PrepareOptions, "resumed"> {
  /** The new directory of a new run. */
  created?: NewRunDirectory;
  /** Another process has asked this one to stop the run. */
  onStopRequest?: () => void;
}

/** How a run is left. */
interface Ending {
  status: RunStatus;
  error: string | null;
  /** Of a new run nothing is worth keeping. */
  discard?: boolean;
}

/**
 * Trains a run under its lock, recording every event before it is yielded.
 *
 * @throws Whatever went wrong, after noting it.
 */
export async function* conduct(
  options: ConductOptions,
): AsyncGenerator<RunEvent> {
  const { paths, created, before, meta } = options;
  const { runId } = meta;
  const lock = await explainingIo(paths.dir, async () => {
    await refuseLinks(paths.checkpoints);
    return await acquireLock(paths.lock, runId);
  }).catch(async (error) => {
    await created?.undo();
    throw error;
  });
  const recorder = new RunRecorder(paths, {
    ...before ?? initialRunState(runId, "preparing"),
    status: "preparing",
    warnings: [],
    error: null,
  });
  const asked = new AbortController();
  const signal = AbortSignal.any([
    asked.signal,
    ...options.signal ? [options.signal] : [],
  ]);
  const onStop = () => recorder.setStatus("stopping");
  let prepared: PreparedRun | null = null;
  // Stays so if the consumer gives up.
  let ending: Ending = { status: "interrupted", error: null };
  try {
    // 1. Prepare: whatever the person got wrong shows here.
    await explainingIo(paths.dir, async () => {
      await clearStopRequests(paths.dir);
      await recorder.begin();
      // With this, a run that is stopped while it prepares can be resumed.
      if (created) await saveMeta(paths.meta, meta);
    });
    signal.addEventListener("abort", onStop);
    using _requests = onStopRequest(paths.dir, () => {
      asked.abort();
      options.onStopRequest?.();
    });
    yield { kind: "created", runId, dir: paths.dir };
    prepared = await prepareRun({
      ...options,
      signal,
      resumed: !created,
      onPrepare: (progress) => {
        recorder.setPreparing(progress);
        options.onPrepare?.(progress);
      },
    });
    await recorder.record(prepared.opened);
    yield prepared.opened;

    // 2. Train.
    const training = { ...options, signal };
    for await (const event of trainRecorded(training, prepared, recorder)) {
      yield event;
      if (event.kind !== "done") continue;
      const status = event.reason === "stopped" ? "stopped" : "completed";
      ending = { status, error: null };
    }
  } catch (error) {
    const stopped = prepared === null && signal.aborted;
    ending = endingAfter(error, { stopped, begun: prepared !== null, before });
    if (!stopped) throw error;
  } finally {
    // 3. Free everything.
    signal.removeEventListener("abort", onStop);
    try {
      await prepared?.session.dispose();
    } finally {
      await recorder.end(ending);
      // What cannot be removed now is when the run goes on.
      await clearStopRequests(paths.dir).catch(() => {});
      await lock.release();
      if (ending.discard) await created?.undo();
    }
  }
  const completed = prepared !== null && ending.status === "completed";
  yield {
    kind: "closed",
    runId,
    status: completed ? "completed" : "stopped",
    lastCheckpoint: recorder.state.lastCheckpoint,
  };
}

/**
 * How an error leaves a run.
 *
 * @param how.stopped It is no error: the person stopped the preparation.
 * @param how.begun The run was prepared.
 * @param how.before The state that a resumed run was left in before.
 */
function endingAfter(
  error: unknown,
  { stopped, begun, before }: {
    stopped: boolean;
    begun: boolean;
    before?: RunState;
  },
): Ending {
  if (stopped && before?.status !== "completed") {
    return { status: "stopped", error: null };
  }
  if (stopped || !begun && error instanceof UserError) {
    // Nothing has happened to the run yet: leave it as it was.
    const { status = "stopped", error = null } = before ?? {};
    return { status, error, discard: !stopped };
  }
  return { status: "failed", error: errorMessage(error) };
}

/** The loop's events, recorded, with the warnings of this layer in between. */
async function* trainRecorded(
  { engine, signal, meta: { runId } }: ConductOptions,
  { session, store, warnings }: PreparedRun,
  recorder: RunRecorder,
): AsyncGenerator<TrainEvent> {
  const training = engine.train(session, {
    signal,
    save: async (snapshot, info) => {
      await recorder.sync(); // the checkpoint takes these lines for granted
      return await store.save(snapshot, info);
    },
  });
  const { adapter, name: device } = session.device;
  const lastCheckpoint = () => recorder.state.lastCheckpoint;
  const events = adapter
    ? warnOfHang(training, { runId, device, lastCheckpoint })
    : training;
  const idle = new IdleWatch();
  let progress: Progress | null = null;
  for await (const come of events) {
    if ("hang" in come) warnings.push(come.hang);
    else {
      progress = progressOf(come);
      await recorder.record(come);
      yield come;
      warnings.push(...recorder.takeWarnings());
      if (come.kind === "step") {
        const hint = idle.look({
          atMs: performance.now(),
          waitedMs: session.feed.takeWaitedMs(),
          gpuUtilPct: recorder.state.telemetry.gpuUtilPct,
        });
        if (hint !== null) warnings.push(hint);
      } else idle.rest(performance.now());
    }
    for (const message of warnings.splice(0)) {
      // Something has come at once, long before anything can hang.
      const warning: TrainEvent = { kind: "warning", message, ...progress! };
      await recorder.record(warning);
      yield warning;
    }
  }
}
