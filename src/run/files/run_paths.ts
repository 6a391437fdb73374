/**
 * Where everything of a run lies: DESIGN's layout as a table of paths.
 *
 * @module
 */

import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { isOneName } from "../../base/one_name.ts";

/** The three directories that Hearth writes to, under one root. */
export interface RootPaths {
  /** Downloads, tokens, tokenizers. */
  data: string;
  /** One directory per run. */
  runs: string;
  /** One directory of checkpoints per run. */
  checkpoints: string;
}

/** The paths under `root`, whether they exist or not. */
export function rootPaths(root: string): RootPaths {
  return {
    data: join(root, "data"),
    runs: join(root, "runs"),
    checkpoints: join(root, "checkpoints"),
  };
}

/** The files of one run. */
export interface RunPaths {
  dir: string;
  /** What was asked for and what it runs on. */
  meta: string;
  /** Where it stands. */
  state: string;
  /** One JSON object per logged step or evaluation. */
  metrics: string;
  /** What the console would have shown. */
  log: string;
  /** What a detached process printed: nothing, unless it crashed. */
  output: string;
  /** Held by the process that trains. */
  lock: string;
  /** The directory of its checkpoints, beside `runs`. */
  checkpoints: string;
}

/**
 * @param runId A valid id (see run_id.ts), or the name of a directory.
 * @throws {UserError} If it is a path, which could lead out of the root.
 */
export function runPaths(root: string, runId: string): RunPaths {
  if (!isOneName(runId)) {
    throw new UserError(`Cannot use "${runId}" as the id of a run`, {
      hint: "hearth runs lists them",
      exitCode: EXIT.usage,
    });
  }
  const { runs, checkpoints } = rootPaths(root);
  const dir = join(runs, runId);
  return {
    dir,
    meta: join(dir, "meta.json"),
    state: join(dir, "state.json"),
    metrics: join(dir, "metrics.jsonl"),
    log: join(dir, "train.log"),
    output: join(dir, "detached.log"),
    lock: join(dir, "lock"),
    checkpoints: join(checkpoints, runId),
  };
}
