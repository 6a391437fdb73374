/**
 * Makes the directory of a new run, and takes it away again.
 *
 * @module
 */

import { dirname } from "node:path";
import { makeDirectories, syncDirectory } from "../../base/atomic_file.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { explainingIo } from "./explaining_io.ts";
import { checkRunId, newRunId } from "./run_id.ts";
import { rootPaths, type RunPaths, runPaths } from "./run_paths.ts";
import { listRunIds } from "./runs.ts";

/** A directory that was just made. */
export interface NewRunDirectory {
  runId: string;
  paths: RunPaths;
  /** Removes it, and the directories above that were made for it. */
  undo(): Promise<void>;
}

/**
 * Makes `runs/<runId>`, empty.
 *
 * @param runId A new id is chosen if it is undefined.
 * @throws {UserError} If the id is taken or not allowed, or the disk refuses.
 */
export async function makeRunDirectory(
  root: string,
  runId?: string,
): Promise<NewRunDirectory> {
  if (runId !== undefined) checkRunId(runId);
  const { runs } = rootPaths(root);
  return await explainingIo(runs, async () => {
    let firstMade: string | undefined;
    const taken = new Set(await listRunIds(root));
    for (;;) {
      // Every time: the undo of another run may have removed it again.
      firstMade = await makeDirectories(runs) ?? firstMade;
      const id = runId ?? newRunId(taken);
      const paths = runPaths(root, id);
      const outcome = await claim(paths);
      if (outcome === "made") {
        return { runId: id, paths, undo: () => undo(paths, firstMade) };
      }
      if (outcome === "no parent") continue;
      if (runId !== undefined) throw alreadyThere(runId);
      taken.add(id); // another process was faster, or only checkpoints exist
    }
  });
}

/** The directory of a run that another process has made. */
export function adoptRunDirectory(
  root: string,
  runId: string,
): NewRunDirectory {
  const paths = runPaths(root, runId);
  return { runId, paths, undo: () => undo(paths) };
}

/** Creating the directory decides between processes that want the same id. */
async function claim(
  paths: RunPaths,
): Promise<"made" | "taken" | "no parent"> {
  if (await exists(paths.checkpoints)) return "taken";
  try {
    await Deno.mkdir(paths.dir);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return "taken";
    if (error instanceof Deno.errors.NotFound) return "no parent";
    throw error;
  }
  await syncDirectory(dirname(paths.dir));
  return "made";
}

async function undo(paths: RunPaths, firstMade?: string): Promise<void> {
  try {
    // The process that adopted it may be faster.
    await unlessGone(Deno.remove(paths.dir, { recursive: true }));
    if (firstMade === undefined) return;
    for (let at = dirname(paths.dir);; at = dirname(at)) {
      await Deno.remove(at);
      if (at === firstMade) return;
    }
  } catch {
    // Something else has been put there meanwhile, so it stays. Whatever the
    // reason, the error that led here is the one to tell.
  }
}

function alreadyThere(runId: string): UserError {
  return new UserError(`Cannot start "${runId}": a run of that name exists`, {
    hint: `type hearth resume ${runId} to go on with it, or choose another ` +
      "--run-id",
    exitCode: EXIT.usage,
  });
}
