/**
 * What the loop knows of checkpoints: why one is written, and what becomes of
 * the training when that fails. run/checkpoints/ writes them.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import { ioProblem, isDiskFull } from "../base/io_problem.ts";
import type { Session } from "./session.ts";
import type { SnapshotSource } from "./snapshot.ts";

/** Why a checkpoint is written. */
export interface SaveInfo {
  step: number;
  /** This is the best validation loss so far, and the best is to be kept. */
  best: boolean;
  /** The step is one of every `checkpoint.every`. */
  periodic: boolean;
  /** The last one of this process. */
  final: boolean;
}

/** What was written. */
export interface SavedCheckpoint {
  /** The name of its directory, such as `step-00000500`. */
  name: string;
  sizeBytes: number;
}

/**
 * Writes a checkpoint.
 *
 * @param snapshot What it reads from the device as it writes.
 */
export type SaveCheckpoint = (
  snapshot: SnapshotSource,
  info: SaveInfo,
) => Promise<SavedCheckpoint>;

/** Saves that failed one after another. */
export interface FailingSaves {
  fromStep: number;
  count: number;
  /** One warning for all of them. */
  message: string;
}

/** One more; `before` is null where the save before it was well. */
export function stillFailing(
  before: FailingSaves | null,
  { step, failure }: { step: number; failure: string },
): FailingSaves {
  const fromStep = before?.fromStep ?? step;
  const count = (before?.count ?? 0) + 1;
  const which = count === 1
    ? `the checkpoint of step ${step}`
    : `the checkpoints of steps ${fromStep} to ${step}, ${count} in a row`;
  const message = `Cannot save ${which}: ${failure}; training goes on to the ` +
    "next one";
  return { fromStep, count, message };
}

/** Saves, or says why not: training goes on, unless this was the last. */
export async function trySave(
  session: Session,
  { save, info }: { save: SaveCheckpoint; info: SaveInfo },
): Promise<SavedCheckpoint | { failure: string }> {
  try {
    return await save(session.snapshotSource(), info);
  } catch (error) {
    const failure = ioProblem(error) ?? errorMessage(error);
    if (!info.final) return { failure };
    if (error instanceof UserError) throw error;
    throw new UserError(
      `Cannot save the checkpoint of step ${info.step}: ${failure}`,
      {
        hint: isDiskFull(error)
          ? "make room on the disk, then resume the run"
          : "put that right, then resume the run",
        cause: error,
      },
    );
  }
}
