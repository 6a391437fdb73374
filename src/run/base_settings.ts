/**
 * What `from` means: a checkpoint of a run, by a name that stays.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { BaseSettings } from "../config/base_settings.ts";
import { modelSettings } from "../train/base_model.ts";
import { loadChosen } from "./checkpoints/checkpoint_ref.ts";
import { loadMeta } from "./files/meta.ts";
import { runPaths } from "./files/run_paths.ts";

/**
 * Finds and verifies the checkpoint.
 *
 * @param ref As for `loadChosen`.
 * @throws {UserError} If there is none, or it is damaged.
 */
export async function findBase(
  root: string,
  ref: string,
): Promise<BaseSettings> {
  const { runId, name, content } = await loadChosen(root, ref);
  const from = `${runId}/${name}`;
  const { meta } = runPaths(root, runId);
  const own = await loadMeta(meta).catch(() => null);
  if (own === null) {
    throw new UserError(
      `Cannot train from "${ref}": it is no run of "${root}"`,
      {
        hint: "take it over with hearth import first",
        exitCode: EXIT.usage,
      },
    );
  }
  const { tokenizer } = own.config;
  return { from, model: modelSettings(content.modelConfig), tokenizer };
}
