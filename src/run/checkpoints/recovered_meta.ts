/**
 * `meta.json` when it is lost: every checkpoint has a copy of it, so that a
 * run goes on as long as one of its checkpoints is good.
 *
 * @module
 */

import { join } from "node:path";
import { unlessGone } from "../../base/unless_gone.ts";
import { loadMeta, type RunMeta, UnreadableMeta } from "../files/meta.ts";
import type { RunPaths } from "../files/run_paths.ts";
import { META_COPY } from "./checkpoint_files.ts";
import { listCheckpoints } from "./checkpoint_list.ts";
import { verifyFiles } from "./manifest.ts";

/** What a run was asked to do, and where that was found. */
export interface FoundMeta {
  meta: RunMeta;
  /** Why the copy of a checkpoint was taken; null if it was not. */
  warning: string | null;
}

/**
 * Reads `meta.json`, or the newest good copy of it where there is none or it
 * is damaged. A configuration that a person has made invalid is not damage.
 *
 * @throws {UserError} As `loadMeta`, if there is no copy either.
 */
export async function findMeta(
  paths: RunPaths,
  runId: string,
): Promise<FoundMeta> {
  try {
    return { meta: await loadMeta(paths.meta), warning: null };
  } catch (error) {
    if (!(error instanceof UnreadableMeta)) throw error;
    const copy = await newestCopy(paths.checkpoints, runId);
    if (copy === null) throw error;
    const warning = `${error.message}; using the copy in ${copy.checkpoint}`;
    return { meta: copy.meta, warning };
  }
}

/** Moves a file aside that cannot be read: a person may want to. */
export async function setAside(path: string): Promise<void> {
  await unlessGone(Deno.rename(path, `${path}.damaged`));
}

async function newestCopy(
  checkpoints: string,
  runId: string,
): Promise<{ meta: RunMeta; checkpoint: string } | null> {
  for (const { name, dir, manifest } of await listCheckpoints(checkpoints)) {
    if (manifest === null) continue;
    try {
      await verifyFiles(dir, manifest, [META_COPY]);
      const meta = await loadMeta(join(dir, META_COPY));
      if (meta.runId === runId) return { meta, checkpoint: name };
    } catch {
      // Damaged as well, or of a version that made no copies: on to the next.
    }
  }
  return null;
}
