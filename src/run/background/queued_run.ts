/**
 * A run that one process sets up and another trains.
 *
 * Its directory reserves the name and holds the configuration, already
 * checked, so that the mistakes in it show where they were made.
 *
 * @module
 */

import { writeJson } from "../../base/json_file.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { checkSettings } from "../../train/check_settings.ts";
import { explainingIo } from "../files/explaining_io.ts";
import { checkUnlocked } from "../files/lock.ts";
import { initialMeta, saveMeta } from "../files/meta.ts";
import { refuseLinks } from "../files/refuse_links.ts";
import {
  makeRunDirectory,
  type NewRunDirectory,
} from "../files/run_directory.ts";
import { type RunPaths, runPaths } from "../files/run_paths.ts";
import { initialRunState } from "../files/run_state.ts";
import { nextOrder, resolveRun } from "../files/runs.ts";
import { ownProcess } from "../process/process_info.ts";

/**
 * Makes the directory of a new run. Its status is `queued` as long as this
 * process lives, until another one trains it, by `startQueuedRun`.
 *
 * @throws {UserError} If the settings do not go together, the id is taken or
 * not allowed, or the disk refuses.
 */
export async function queueRun(
  { root, config, commandLine, runId }: {
    root: string;
    config: HearthConfig;
    commandLine: readonly string[];
    /** Chosen for it if left out. */
    runId?: string;
  },
): Promise<NewRunDirectory> {
  checkSettings(config);
  const created = await makeRunDirectory(root, runId);
  const { paths } = created;
  try {
    await explainingIo(paths.dir, async () => {
      const meta = initialMeta({
        runId: created.runId,
        config,
        commandLine,
        order: await nextOrder(root),
      });
      await saveMeta(paths.meta, meta);
      const state = initialRunState(created.runId, "queued");
      await writeJson(paths.state, { ...state, ...await ownProcess() });
    });
  } catch (error) {
    await created.undo();
    throw error;
  }
  return created;
}

/**
 * The run that `ref` means, for another process to go on with.
 *
 * @throws {UserError} If there is none, or it is being trained.
 */
export async function findIdleRun(
  root: string,
  ref: string,
): Promise<{ runId: string; paths: RunPaths }> {
  const runId = await resolveRun(root, ref);
  const paths = runPaths(root, runId);
  await checkUnlocked(paths.lock, runId);
  await refuseLinks(paths.dir);
  await refuseLinks(paths.checkpoints);
  return { runId, paths };
}
