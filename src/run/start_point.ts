/**
 * Where a resumed run goes on.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { EXIT, UserError } from "../base/errors.ts";
import type { Snapshot } from "../train/session.ts";
import { readSnapshot } from "./checkpoint_files.ts";
import {
  listCheckpoints,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "./checkpoint_list.ts";

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
): Promise<LoadedCheckpoint<Snapshot> | null> {
  if (from === undefined && (await listCheckpoints(dir)).length === 0) {
    return null;
  }
  const loaded = await loadCheckpoint(dir, {
    choice: from,
    read: readSnapshot,
  });
  if (resolve(dirname(loaded.dir)) === resolve(dir)) return loaded;
  throw new UserError(
    `Cannot resume from "${from}": it is not a checkpoint of this run`,
    { hint: `choose one in ${dir}`, exitCode: EXIT.usage },
  );
}

/** The error of a run that has nothing left to do. */
export function alreadyComplete(
  runId: string,
  step: number | null,
): UserError {
  const steps = step === null ? "" : ` after ${step} steps`;
  return new UserError(`Cannot resume "${runId}": it is complete${steps}`, {
    hint: `type hearth generate ${runId}, or start another run with ` +
      "hearth train",
    exitCode: EXIT.usage,
  });
}
