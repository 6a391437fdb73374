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

import { EXIT, UserError } from "../base/errors.ts";
import { LaterVersion } from "../base/later_version.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import { overrideConfig, type OverrideSources } from "../config/override.ts";
import type { LrPolicy } from "../train/lr_policies.ts";
import type { ResumePlan } from "../train/session.ts";
import { findMeta } from "./checkpoints/recovered_meta.ts";
import { conduct } from "./conduct.ts";
import type { Engine, PrepareProgress } from "./engine.ts";
import { initialMeta, loadMeta } from "./files/meta.ts";
import { adoptRunDirectory, makeRunDirectory } from "./files/run_directory.ts";
import { runPaths } from "./files/run_paths.ts";
import { loadRunState } from "./files/run_state.ts";
import { nextOrder, resolveRun } from "./files/runs.ts";
import type { RunEvent } from "./run_event.ts";
import { alreadyComplete } from "./start_point.ts";

/** What starting and resuming have in common. */
export interface RunOptions {
  /** The directory of `data`, `runs` and `checkpoints`. */
  root: string;
  /** Finish the step, save, and end with status `stopped`. */
  signal?: AbortSignal;
  /** Another process has asked this one to stop the run, and it does. */
  onStopRequest?: () => void;
  /** Hears of the work before the first event of training. */
  onPrepare?: (progress: PrepareProgress) => void;
}

/** What the program around a run adds; mod.ts does it for its users. */
export interface RunHost {
  /** How this process was called; kept in `meta.json`. */
  commandLine: readonly string[];
  /** What trains. */
  engine: Engine;
}

/** A new run. */
export interface StartOptions extends RunOptions {
  /** All settings, as `loadConfig` gives them. */
  config: HearthConfig;
  /** Chosen for it if left out. */
  runId?: string;
}

/** A run that goes on. */
export interface ResumeOptions extends RunOptions {
  /** Id, unique beginning of one, or `latest`, the default. */
  ref?: string;
  /** Go on from there: a checkpoint of the run, by name, step, or `best`. */
  from?: string;
  /** Train this much beyond the checkpoint, wherever the run was to end. */
  more?: ResumePlan["more"];
  /** What `more` does to the learning rate; default `continue`. */
  lrPolicy?: LrPolicy;
  /** Other settings from now on. */
  overrides?: OverrideSources;
}

/**
 * Trains a new run.
 *
 * @throws {UserError} For wrong input, when nothing is left on disk; and for
 * what goes wrong later, when the run is `failed`.
 */
export async function* startRun(
  options: StartOptions & RunHost,
): AsyncGenerator<RunEvent> {
  const { root, config, commandLine } = options;
  const created = await makeRunDirectory(root, options.runId);
  const { runId, paths } = created;
  const order = await nextOrder(root);
  const meta = initialMeta({ runId, config, commandLine, order });
  yield* conduct({ ...options, meta, paths, created });
}

/**
 * Trains a run that another process has set up; see background/queued_run.ts.
 *
 * @throws {UserError} As {@linkcode startRun}.
 */
export async function* startQueuedRun(
  options: RunOptions & RunHost & { runId: string },
): AsyncGenerator<RunEvent> {
  const created = adoptRunDirectory(options.root, options.runId);
  const { paths } = created;
  const meta = await loadMeta(paths.meta);
  yield* conduct({ ...options, meta, paths, created });
}

/**
 * Goes on with a run from a checkpoint, bit for bit as if it had not been
 * interrupted, unless told to train for longer or with other settings. A run
 * that ended before its first checkpoint starts anew.
 *
 * @throws {UserError} If there is no such run or checkpoint, the run is
 * complete or being trained, its data have changed, or it cannot go on with
 * such settings.
 */
export async function* resumeRun(
  options: ResumeOptions & RunHost,
): AsyncGenerator<RunEvent> {
  const { root, ref = "latest", from, more, lrPolicy } = options;
  const runId = await resolveRun(root, ref);
  if (lrPolicy && !more) throw policyWithoutMore(runId, lrPolicy);
  const paths = runPaths(root, runId);
  const { meta: saved, warning } = await findMeta(paths, runId);
  if (saved.imported) throw nothingBegun(runId);
  const { config, changes, given } = overrideConfig(
    saved.config,
    options.overrides ?? {},
  );
  // A damaged state is no obstacle: the checkpoint holds all that counts.
  const before = await loadRunState(paths).catch((error) => {
    if (error instanceof LaterVersion) throw error;
    return undefined;
  });
  if (before?.status === "completed" && from === undefined && !more) {
    throw alreadyComplete(runId, before.step);
  }
  const plan: ResumePlan = {
    more,
    lrPolicy,
    before: saved.config.train,
    warmupGiven: given.has("train.warmupSteps"),
  };
  // A run is called by its directory, which people rename and copy.
  const meta = { ...saved, runId, config, order: await nextOrder(root) };
  yield* conduct({
    ...options,
    meta,
    metaWarning: warning,
    overrides: changes,
    plan,
    paths,
    before,
  });
}

function nothingBegun(runId: string): UserError {
  return new UserError(
    `Cannot resume "${runId}": it was imported, and nothing trained it here`,
    {
      hint: `type hearth train --from ${runId} --dataset YOUR-TEXT.txt`,
      exitCode: EXIT.usage,
    },
  );
}

function policyWithoutMore(runId: string, lrPolicy: LrPolicy): UserError {
  return new UserError(
    `Cannot use the learning rate policy ${lrPolicy} on its own: it says ` +
      "what the rate does in additional steps",
    {
      hint: `type hearth resume ${runId} --more-epochs 1 --lr-policy ` +
        lrPolicy,
      exitCode: EXIT.usage,
    },
  );
}
