/**
 * Where a resumed run goes on.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { EXIT, UserError } from "../base/errors.ts";
import { countOf } from "../base/format.ts";
import type { SnapshotSource } from "../train/session.ts";
import {
  checkTrainerState,
  type TrainerState,
} from "../train/trainer_state.ts";
import { openSnapshot } from "./checkpoints/checkpoint_files.ts";
import {
  listCheckpoints,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "./checkpoints/checkpoint_list.ts";
import type { SessionRecord } from "./files/meta.ts";

/**
 * Loads the checkpoint to go on from; null if the run ended before its first
 * one and has to start anew.
 *
 * @param dir `checkpoints/<run-id>`.
 * @throws {UserError} If there is no good one, or `from` is of another run.
 */
export async function loadStartPoint(
  dir: string,
  from: string | undefined,
): Promise<LoadedCheckpoint<SnapshotSource> | null> {
  if (from === undefined && (await listCheckpoints(dir)).length === 0) {
    return null;
  }
  const loaded = await loadCheckpoint(dir, {
    choice: from,
    read: openSnapshot,
  });
  if (resolve(dirname(loaded.dir)) === resolve(dir)) return loaded;
  throw new UserError(
    `Cannot resume from "${from}": it is not a checkpoint of this run`,
    { hint: `choose one in ${dir}`, exitCode: EXIT.usage },
  );
}

/**
 * The state to go on from: that of the checkpoint, unless a session has begun
 * there and was killed before it could save. Then its own start counts, which
 * may have another end, as after `--more-epochs`, or other batches.
 *
 * @param sessions Oldest first.
 */
export function plannedState(
  { name, content: { trainer } }: LoadedCheckpoint<SnapshotSource>,
  sessions: readonly SessionRecord[],
): TrainerState {
  const last = sessions.findLast(({ checkpoint, start }) =>
    checkpoint === name && isState(start) && isSameMoment(start, trainer)
  );
  return last ? { ...last.start, kernels: trainer.kernels } : trainer;
}

/** People may edit `meta.json`, and it may come from anybody. */
function isState(start: unknown): start is TrainerState {
  try {
    checkTrainerState(start);
    return true;
  } catch {
    return false;
  }
}

/** A step can be trained and saved again, but never at the very same time. */
function isSameMoment(a: TrainerState, b: TrainerState): boolean {
  return a.step === b.step && a.microStep === b.microStep &&
    a.tokens === b.tokens && a.elapsedMs === b.elapsedMs;
}

/** The error of a run that has nothing left to do. */
export function alreadyComplete(
  runId: string,
  step: number | null,
): UserError {
  const steps = step === null ? "" : ` after ${countOf(step, "step")}`;
  return new UserError(`Cannot resume "${runId}": it is complete${steps}`, {
    hint: `type hearth resume ${runId} --more-epochs 1 to train on, or ` +
      `hearth generate ${runId} to see what it writes`,
    exitCode: EXIT.usage,
  });
}

/**
 * The error of a run that has trained and whose checkpoints are not there: to
 * start it anew would overwrite its metrics.
 */
export function checkpointsGone(
  runId: string,
  { dir, last }: { dir: string; last: string },
): UserError {
  return new UserError(
    `Cannot resume "${runId}": its checkpoints, of which ${last} was the ` +
      `last, are not in "${dir}"`,
    {
      hint: "rename or move them there, or start another run with hearth train",
      exitCode: EXIT.usage,
    },
  );
}

/** The error of a run that is to be made longer before it has begun. */
export function nothingToExtend(runId: string): UserError {
  return new UserError(
    `Cannot train more of "${runId}": it has no checkpoint yet`,
    {
      hint: `type hearth resume ${runId}, or start another run with ` +
        "hearth train --epochs N",
      exitCode: EXIT.usage,
    },
  );
}
