/**
 * Removes runs from disk.
 *
 * What goes is first renamed to a name that nobody looks at, in an instant;
 * so a run is there or not, never half. A process that is killed while it
 * deletes leaves the rest to the next removal of the same run.
 *
 * @module
 */

import { join } from "node:path";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { exists } from "../base/exists.ts";
import { ioProblem } from "../base/io_problem.ts";
import { isOneName } from "../base/one_name.ts";
import { unlessGone } from "../base/unless_gone.ts";
import { adapterRunsOf } from "./adapter_runs.ts";
import { trainerOf } from "./background/trainer.ts";
import { acquireLock } from "./files/lock.ts";
import { rootPaths, type RunPaths, runPaths } from "./files/run_paths.ts";
import { initialRunState, loadRunState } from "./files/run_state.ts";
import { resolveRun } from "./files/runs.ts";

/** A run that may be removed. */
export interface RemovableRun {
  runId: string;
  /** What it takes on disk, checkpoints included. */
  sizeBytes: number;
}

/** A directory, and its name from when it is no longer wanted. */
interface Place {
  path: string;
  aside: string;
}

/**
 * Makes sure that a run is there, that nobody trains it, and that no other
 * run needs its model.
 *
 * @param runId A whole id: the beginning of one is not enough to remove it.
 * @param options.also Runs that are to be removed as well.
 * @param options.force Remove what other runs need, too.
 * @throws {UserError} If it is not so.
 */
export async function findRemovable(
  root: string,
  runId: string,
  { also = [], force = false }: {
    also?: readonly string[];
    force?: boolean;
  } = {},
): Promise<RemovableRun> {
  const places = isOneName(runId) ? placesOf(root, runId) : [];
  const sizes = await Promise.all(
    places.flatMap(({ path, aside }) => [treeBytes(path), treeBytes(aside)]),
  );
  if (sizes.every((size) => size === null)) {
    const meant = await resolveRun(root, runId); // or throws
    throw new UserError(
      `Cannot remove "${runId}": no run has exactly that id`,
      {
        hint: `to remove ${meant}, type hearth rm ${meant}`,
        exitCode: EXIT.usage,
      },
    );
  }
  await refuseTraining(runPaths(root, runId), runId);
  if (!force) await refuseNeeded(root, runId, also);
  const sizeBytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  return { runId, sizeBytes };
}

/**
 * Removes the run, its checkpoints, and what an earlier attempt left of them.
 *
 * @param runId From {@linkcode findRemovable}.
 * @throws {UserError} If it is being trained, or the disk refuses.
 */
export async function removeRun(root: string, runId: string): Promise<void> {
  const places = placesOf(root, runId);
  try {
    await moveAside(runPaths(root, runId), { runId, places });
    for (const { aside } of places) await removeTree(aside);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const why = ioProblem(cause) ?? errorMessage(cause);
    throw new UserError(`Cannot remove all of "${runId}": ${why}`, {
      hint: `once that is put right, type hearth rm ${runId} again`,
      cause,
    });
  }
}

async function moveAside(
  paths: RunPaths,
  { runId, places }: { runId: string; places: Place[] },
): Promise<void> {
  const isThere = await exists(paths.dir);
  // So that nobody resumes it meanwhile.
  const lock = isThere ? await acquireLock(paths.lock, runId) : null;
  try {
    // Windows renames no directory in which a file is open.
    if (Deno.build.os === "windows") await lock?.release();
    for (const { path, aside } of places) {
      await removeTree(aside);
      await unlessGone(Deno.rename(path, aside));
    }
  } finally {
    await lock?.release();
  }
}

function placesOf(root: string, runId: string): Place[] {
  const { runs, checkpoints } = rootPaths(root);
  return [runs, checkpoints].map((parent) => ({
    path: join(parent, runId),
    aside: join(parent, `.removed-${runId}`),
  }));
}

async function refuseNeeded(
  root: string,
  runId: string,
  also: readonly string[],
): Promise<void> {
  const needing = await adapterRunsOf(root, runId);
  const left = needing.find(({ runId }) => !also.includes(runId));
  if (!left) return;
  throw new UserError(
    `Cannot remove "${runId}": the adapters of "${left.runId}" belong to its ` +
      `model, ${left.from}`,
    {
      hint:
        `to keep the merged model, type hearth export ${left.runId}; then ` +
        `remove both, or add --force`,
    },
  );
}

async function refuseTraining(paths: RunPaths, runId: string): Promise<void> {
  const state = await loadRunState(paths).catch(() => undefined);
  const trainer = await trainerOf(
    paths,
    state ?? initialRunState(runId, "failed"),
  );
  if (trainer === null) return;
  throw new UserError(
    `Cannot remove "${runId}": process ${trainer.pid} is training it`,
    { hint: `type hearth stop ${runId} first` },
  );
}

async function removeTree(path: string): Promise<void> {
  await unlessGone(Deno.remove(path, { recursive: true }));
}

/** Size of all files below a path; null if there is nothing. */
async function treeBytes(path: string): Promise<number | null> {
  return await unlessGone((async () => {
    const { size, isDirectory } = await Deno.lstat(path);
    if (!isDirectory) return size;
    let bytes = 0;
    for await (const { name } of Deno.readDir(path)) {
      bytes += await treeBytes(join(path, name)) ?? 0;
    }
    return bytes;
  })());
}
