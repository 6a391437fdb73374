/**
 * Everything between a run's name and its first step: the checkpoint to go on
 * from, data, device, room on the disk, and the files of the run.
 *
 * @module
 */

import type { Session, Snapshot } from "../train/session.ts";
import type { LoadedCheckpoint } from "./checkpoint_list.ts";
import { CheckpointStore } from "./checkpoint_store.ts";
import type { Engine, PrepareProgress } from "./engine.ts";
import { explainingIo } from "./explaining_io.ts";
import { type RunMeta, saveMeta, withSession } from "./meta.ts";
import { truncateMetrics } from "./metrics.ts";
import type { RunOpened } from "./run_event.ts";
import { rootPaths, type RunPaths } from "./run_paths.ts";
import { alreadyComplete, loadStartPoint } from "./start_point.ts";

/** A run that is to be prepared. */
export interface PrepareOptions {
  root: string;
  paths: RunPaths;
  /** As it is on disk; of a resumed run with its fingerprints. */
  meta: RunMeta;
  commandLine: readonly string[];
  engine: Engine;
  /** The run has trained before, or at least tried to. */
  resumed: boolean;
  /** Which checkpoint to go on from; see `loadCheckpoint`. */
  from?: string;
  totalSteps?: number;
  onPrepare?: (progress: PrepareProgress) => void;
  signal?: AbortSignal;
}

/** A run that is ready to train. */
export interface PreparedRun {
  /** The caller disposes of it. */
  session: Session;
  store: CheckpointStore;
  opened: RunOpened;
  /** What the person should know before the first step. */
  warnings: string[];
}

type StartPoint = LoadedCheckpoint<Snapshot>;

/**
 * Opens a run. Until everything has been checked, only its checkpoints and
 * the data directory are touched, and only read or added to.
 *
 * @throws {UserError} For everything that the person can put right.
 */
export async function prepareRun(
  options: PrepareOptions,
): Promise<PreparedRun> {
  const { paths, meta, resumed, engine } = options;
  const startPoint = resumed
    ? await loadStartPoint(paths.checkpoints, options.from)
    : null;
  const session = await engine.openSession({
    config: meta.config,
    dataDir: rootPaths(options.root).data,
    restore: startPoint?.content,
    totalSteps: options.totalSteps,
    dataFingerprint: meta.dataset?.fingerprint,
    onPrepare: options.onPrepare,
    signal: options.signal,
  });
  await using opening = new AsyncDisposableStack();
  opening.defer(() => session.dispose());

  const { step, totalSteps } = session.state;
  if (resumed && step >= totalSteps) throw alreadyComplete(meta.runId, step);
  const store = new CheckpointStore(paths.checkpoints, {
    keep: meta.config.checkpoint.keep,
    neededBytes: checkpointBytes(session),
  });
  const warnings = [...startPoint?.warnings ?? []];
  if (resumed && !startPoint) {
    warnings.push("No checkpoint was saved before, so the run starts anew");
  }
  const scarce = await store.checkRoom();
  if (scarce) warnings.push(scarce);

  await explainingIo(
    paths.dir,
    () => readyFiles(options, { session, store, startPoint }),
  );
  opening.move();
  const opened = openedEvent(options, session, startPoint);
  return { session, store, opened, warnings };
}

/** Brings the files to the state of the checkpoint, and notes the session. */
async function readyFiles(
  { paths, meta, resumed, commandLine }: PrepareOptions,
  { session, store, startPoint }: {
    session: Session;
    store: CheckpointStore;
    startPoint: StartPoint | null;
  },
): Promise<void> {
  if (startPoint) await store.adopt(startPoint);
  // A run that starts anew also evaluates anew before its first step.
  const lastStep = startPoint ? session.state.step : -1;
  if (resumed) await truncateMetrics(paths.metrics, lastStep);
  const checkpoint = startPoint?.name ?? null;
  await saveMeta(
    paths.meta,
    withSession(meta, session, { commandLine, checkpoint }),
  );
}

function openedEvent(
  { meta, paths }: PrepareOptions,
  session: Session,
  startPoint: StartPoint | null,
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
    memoryBytes: session.memoryBytes,
    checkpointBytes: session.checkpointBytes,
    trainTokens: dataset.train.tokens,
    valTokens: dataset.val.tokens,
    resumedFrom: startPoint &&
      { checkpoint: startPoint.name, step: state.step },
    bestValLoss: state.bestValLoss,
  };
}

/** The tensors, and room for the small files. */
function checkpointBytes({ checkpointBytes, tokenizer }: Session): number {
  // UTF-8 takes at most 3 bytes per UTF-16 unit; headers stay below 1 MB.
  return checkpointBytes + 3 * tokenizer.json.length + 1_000_000;
}
