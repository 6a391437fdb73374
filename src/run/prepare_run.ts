/**
 * Everything between a run's name and its first step: the checkpoint to go on
 * from, data, device, room on the disk, and the files of the run.
 *
 * @module
 */

import type { ConfigChange } from "../config/config_change.ts";
import { settledChanges } from "../config/override.ts";
import type { BaseModel } from "../train/base_model.ts";
import { lrPoints } from "../train/lr_points.ts";
import { lrSchedule } from "../train/schedule.ts";
import type { ResumePlan, Session, SnapshotSource } from "../train/session.ts";
import { neededCheckpoints, warnOfAdapters } from "./adapter_runs.ts";
import type { LoadedCheckpoint } from "./checkpoints/checkpoint_list.ts";
import { loadChosen } from "./checkpoints/checkpoint_ref.ts";
import { CheckpointStore } from "./checkpoints/checkpoint_store.ts";
import { setAside } from "./checkpoints/recovered_meta.ts";
import type { Engine, PrepareProgress } from "./engine.ts";
import { logBytes } from "./files/disk_space.ts";
import { explainingIo } from "./files/explaining_io.ts";
import { type RunMeta, saveMeta, withSession } from "./files/meta.ts";
import { truncateMetrics } from "./files/metrics.ts";
import { rootPaths, type RunPaths } from "./files/run_paths.ts";
import type { RunState } from "./files/run_state.ts";
import type { RunOpened } from "./run_event.ts";
import {
  alreadyComplete,
  checkpointsGone,
  loadStartPoint,
  nothingToExtend,
  plannedState,
} from "./start_point.ts";
import { freeGpuMemory } from "./telemetry/gpu_sampler.ts";

/** A run that is to be prepared. */
export interface PrepareOptions {
  root: string;
  paths: RunPaths;
  /**
   * As it is on disk, but for the settings, which hold from now on; of a
   * resumed run with its fingerprints.
   */
  meta: RunMeta;
  /** The settings that are others than on disk. */
  overrides?: readonly ConfigChange[];
  commandLine: readonly string[];
  engine: Engine;
  /** The run has trained before, or at least tried to. */
  resumed: boolean;
  /** The state that a resumed run was left in. */
  before?: RunState;
  /** Which checkpoint to go on from; see `loadCheckpoint`. */
  from?: string;
  /** Why `meta` is not the one on disk, which cannot be read; or null. */
  metaWarning?: string | null;
  /** How a resumed run differs from one that just goes on. */
  plan?: ResumePlan;
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

type StartPoint = LoadedCheckpoint<SnapshotSource>;

/**
 * Opens a run. Until everything has been checked, only its checkpoints and
 * the data directory are touched, and only read or added to.
 *
 * @throws {UserError} For everything that the person can put right.
 */
export async function prepareRun(
  options: PrepareOptions,
): Promise<PreparedRun> {
  const { paths, meta, resumed, engine, plan } = options;
  const startPoint = resumed ? await findStart(options) : null;
  const session = await engine.openSession({
    config: meta.config,
    dataDir: rootPaths(options.root).data,
    restore: startPoint?.content,
    base: startPoint ? undefined : await findBaseModel(options),
    plan,
    expectData: meta.dataset ?? undefined,
    previousDevice: startPoint ? meta.device.selected ?? undefined : undefined,
    freeGpuMemory,
    onPrepare: options.onPrepare,
    signal: options.signal,
  });
  await using opening = new AsyncDisposableStack();
  opening.defer(() => session.dispose());

  const { train, checkpoint } = meta.config;
  const overrides = settledChanges(options.overrides ?? [], session.config);
  const completedMeta = withSession(meta, session, {
    commandLine: options.commandLine,
    checkpoint: startPoint?.name ?? null,
    overrides,
  });
  const warnings = [
    ...options.metaWarning ? [options.metaWarning] : [],
    ...startPoint?.warnings ?? [],
    ...startPoint
      ? await warnOfAdapters(options.root, meta.runId, session.state.step)
      : [],
  ];
  const store = new CheckpointStore(paths.checkpoints, {
    keep: checkpoint.keep,
    keepBest: checkpoint.best,
    neededBytes: checkpointBytes(session),
    meta: completedMeta,
    needed: () => neededCheckpoints(options.root, meta.runId),
    warn: (message) => warnings.push(message),
  });
  if (resumed && !startPoint) {
    warnings.push("No checkpoint was saved before, so the run starts anew");
  }
  const steps = session.totalSteps - session.state.step;
  const scarce = await store.checkRoom(logBytes({ steps, ...train }));
  if (scarce) warnings.push(scarce);

  await explainingIo(
    paths.dir,
    () => readyFiles(options, { completedMeta, store, startPoint }),
  );
  opening.move();
  const opened = openedEvent(
    { ...options, overrides },
    session,
    startPoint,
  );
  return { session, store, opened, warnings };
}

/** The model that a new run starts from; undefined for a new one. */
async function findBaseModel(
  { root, meta: { config: { from } } }: PrepareOptions,
): Promise<BaseModel | undefined> {
  if (from === undefined) return undefined;
  const { runId, name, weightsSha256, content } = await loadChosen(root, from);
  const ref = { from: `${runId}/${name}`, sha256: weightsSha256 };
  return { ...content, ref };
}

/** The checkpoint to go on from, if there is one, with work left to do. */
async function findStart(
  { paths, meta: { runId, sessions }, from, plan, before }: PrepareOptions,
): Promise<StartPoint | null> {
  const found = await loadStartPoint(paths.checkpoints, from);
  if (!found) {
    const last = before?.lastCheckpoint ??
      sessions.findLast(({ checkpoint }) => checkpoint !== null)?.checkpoint;
    if (last) throw checkpointsGone(runId, { dir: paths.checkpoints, last });
    if (plan?.more) throw nothingToExtend(runId);
    return null;
  }
  const trainer = from === undefined || from === "latest"
    ? plannedState(found, sessions)
    : found.content.trainer; // who chooses a checkpoint wants it as it was
  const { step, totalSteps } = trainer;
  // One that was killed after its last save is yet to be marked as complete.
  const isMarked = before?.status === "completed" || from !== undefined;
  if (!plan?.more && step >= totalSteps && isMarked) {
    throw alreadyComplete(runId, step);
  }
  return { ...found, content: { ...found.content, trainer } };
}

/** Brings the files to the state of the checkpoint, and notes the session. */
async function readyFiles(
  { paths, resumed, metaWarning }: PrepareOptions,
  { completedMeta, store, startPoint }: {
    completedMeta: RunMeta;
    store: CheckpointStore;
    startPoint: StartPoint | null;
  },
): Promise<void> {
  if (startPoint) await store.adopt(startPoint);
  // A run that starts anew also evaluates anew before its first step.
  const lastStep = startPoint?.content.trainer.step ?? -1;
  if (resumed) await truncateMetrics(paths.metrics, lastStep);
  if (metaWarning) await setAside(paths.meta);
  await saveMeta(paths.meta, completedMeta);
}

function openedEvent(
  { meta, paths, plan, overrides = [] }: PrepareOptions,
  session: Session,
  startPoint: StartPoint | null,
): RunOpened {
  const { dataset, state, config: { train } } = session;
  const schedule = lrSchedule(train, state);
  return {
    kind: "opened",
    runId: meta.runId,
    dir: paths.dir,
    config: session.config,
    device: session.device,
    parameterCount: session.parameterCount,
    trainableCount: session.trainableCount,
    lora: session.lora,
    totalSteps: session.totalSteps,
    stepsPerEpoch: session.stepsPerEpoch,
    epochs: session.epochs,
    memoryBytes: session.memoryBytes,
    checkpointBytes: session.checkpointBytes,
    trainTokens: dataset.train.tokens,
    valTokens: dataset.val.reduce(
      (sum, { batches }) => sum + batches.tokens,
      0,
    ),
    resumedFrom: startPoint &&
      { checkpoint: startPoint.name, step: state.step },
    isExtended: plan?.more !== undefined,
    changes: [...overrides],
    notes: [...session.notes],
    lrPlan: {
      schedule: train.schedule,
      policy: state.lrCurve?.policy ?? null,
      points: lrPoints(state.step, schedule),
    },
    bestValLoss: state.bestValLoss,
  };
}

/** The tensors, and room for the small files. */
function checkpointBytes({ checkpointBytes, tokenizer }: Session): number {
  // UTF-8 takes at most 3 bytes per UTF-16 unit; headers stay below 1 MB.
  return checkpointBytes + 3 * tokenizer.json.length + 1_000_000;
}
