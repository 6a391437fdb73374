/**
 * Which checkpoint a person means: a run, `latest`, `best`, `RUN/best`,
 * `RUN/500`, or the path of a directory.
 *
 * @module
 */

import { basename, dirname, join, resolve } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { LaterVersion } from "../../base/later_version.ts";
import { PEFT_CONFIG, PEFT_HINT } from "../../train/adapters.ts";
import { loadMeta } from "../files/meta.ts";
import { type RunPaths, runPaths } from "../files/run_paths.ts";
import { resolveRun } from "../files/runs.ts";
import { openWeights, type WeightsSource } from "./checkpoint_files.ts";
import { loadCheckpoint, type LoadedCheckpoint } from "./checkpoint_list.ts";

/** A checkpoint without its optimizer, and the run it belongs to. */
export interface ChosenCheckpoint extends LoadedCheckpoint<WeightsSource> {
  runId: string;
}

/**
 * Finds and verifies the checkpoint; its tensors are read when asked for.
 *
 * @throws {UserError} If there is none, or it is damaged.
 */
export async function loadChosen(
  root: string,
  ref: string,
): Promise<ChosenCheckpoint> {
  const { runId, dir, choice } = await choose(root, ref);
  const loaded = await loadCheckpoint(dir, { choice, read: openWeights });
  return { ...loaded, runId };
}

async function choose(root: string, ref: string) {
  if (await exists(join(ref, "manifest.json"))) {
    const dir = dirname(resolve(ref));
    return { runId: basename(dir), dir, choice: resolve(ref) };
  }
  if (ref.startsWith("hf:")) {
    throw elsewhere(ref, "a model of a hub, not of a run");
  }
  const slash = ref.indexOf("/");
  let [run, choice] = slash < 0
    ? [ref, "latest"]
    : [ref.slice(0, slash), ref.slice(slash + 1)];
  // A run cannot be called best, so this is a choice in the latest run.
  if (ref === "best") [run, choice] = ["latest", "best"];
  const runId = await resolveRun(root, run).catch(async (error) => {
    throw await otherFolder(ref) ?? error;
  });
  const paths = runPaths(root, runId);
  await refuseLaterRun(paths);
  return { runId, dir: paths.checkpoints, choice };
}

/** A damaged `meta.json` is no obstacle; one of a later version is. */
async function refuseLaterRun({ meta }: RunPaths): Promise<void> {
  try {
    await loadMeta(meta);
  } catch (error) {
    if (error instanceof LaterVersion) throw error;
  }
}

/** The error of a folder that is no checkpoint; null if it is none. */
async function otherFolder(ref: string): Promise<UserError | null> {
  if (await exists(join(ref, "config.json"))) {
    return elsewhere(ref, "the folder of a model, not of a run");
  }
  if (await exists(join(ref, PEFT_CONFIG))) {
    return elsewhere(ref, "a folder of adapters, not of a run", PEFT_HINT);
  }
  // The name of a folder that is near may be that of a run that is not.
  if (!/[/\\]/.test(ref)) return null;
  const isFolder = await Deno.stat(ref).then((s) => s.isDirectory, () => false);
  return isFolder
    ? elsewhere(
      ref,
      "a folder, not a checkpoint",
      "name a run, or a folder with a manifest.json",
    )
    : null;
}

/** The error of what is no run here. */
function elsewhere(
  ref: string,
  what: string,
  hint = `take it over first: hearth import ${ref}`,
): UserError {
  return new UserError(`Cannot use "${ref}" as a run: it is ${what}`, {
    hint,
    exitCode: EXIT.usage,
  });
}
