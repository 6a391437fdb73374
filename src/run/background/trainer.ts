/**
 * Which process trains a run, if any does.
 *
 * @module
 */

import { isLocked, lockHolder } from "../files/lock.ts";
import type { RunPaths } from "../files/run_paths.ts";
import type { RunState } from "../files/run_state.ts";
import { isAlive, type ProcessIdentity } from "../process/process_info.ts";

/**
 * The process that trains the run, or is about to; null if there is none.
 *
 * @param state As `loadRunState` returned it just now.
 */
export async function trainerOf(
  { lock }: RunPaths,
  { alive, pid, processStartedAt }: RunState,
): Promise<ProcessIdentity | null> {
  const locked = await isLocked(lock);
  if (locked === false && !alive) return null;
  // A run that is queued has no lock yet, but a state that names a process.
  const holder = locked === false ? null : await lockHolder(lock);
  const trainer = holder ?? (pid === null ? null : { pid, processStartedAt });
  if (trainer === null) return null;
  return locked === true || await isAlive(trainer) ? trainer : null;
}
