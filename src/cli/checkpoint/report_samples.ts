/**
 * What the checkpoints of runs write, for a report.
 *
 * @module
 */

import { errorMessage, UserError } from "../../base/errors.ts";
import type { ReportSample } from "../../export/report_data.ts";
import { openModel } from "../../generate/open_model.ts";
import { listCheckpoints } from "../../run/checkpoints/checkpoint_list.ts";
import { loadChosen } from "../../run/checkpoints/checkpoint_ref.ts";
import { runPaths } from "../../run/files/run_paths.ts";
import type { App } from "../app.ts";

/** Tokens of a sample. */
const LENGTH = 120;

/** How many, and of what. */
export interface SampleOptions {
  /** Checkpoints of each run, spread evenly, the newest among them. */
  count: number;
  prompt: string;
  signal: AbortSignal;
  onProgress: (fraction: number) => void;
}

/**
 * One text of each checkpoint, the same seed for all. Of one that cannot be
 * read, or is gone meanwhile, there is the reason, and a warning.
 *
 * @returns Oldest first, by the id of the run; nothing if none are asked for.
 */
export async function writeSamples(
  app: App,
  runIds: readonly string[],
  { count, prompt, signal, onProgress }: SampleOptions,
): Promise<Record<string, ReportSample[]>> {
  const result: Record<string, ReportSample[]> = {};
  if (count === 0) return result;
  const wanted = [];
  for (const runId of runIds) {
    result[runId] = [];
    const { checkpoints } = runPaths(app.root, runId);
    const oldestFirst = (await listCheckpoints(checkpoints)).reverse();
    for (const { name } of spread(oldestFirst, count)) {
      wanted.push({ runId, name });
    }
  }
  for (const [i, { runId, name }] of wanted.entries()) {
    onProgress(i / wanted.length);
    signal.throwIfAborted();
    try {
      const chosen = await loadChosen(app.root, `${runId}/${name}`);
      await using model = await openModel(chosen, { device: "cpu" });
      let text = "";
      const tokens = model.generate({ prompt, maxNewTokens: LENGTH, signal });
      for await (const token of tokens) text += token.text;
      result[runId].push({ checkpoint: name, prompt, text });
    } catch (error) {
      signal.throwIfAborted();
      const isGone = error instanceof Deno.errors.NotFound;
      if (!isGone && !(error instanceof UserError)) throw error;
      const problem = isGone ? "it was removed" : errorMessage(error);
      app.warn(`No sample of ${runId}/${name}: ${problem}`);
      result[runId].push({ checkpoint: name, problem });
    }
  }
  signal.throwIfAborted();
  return result;
}

/** `count` of `all`, spread evenly, the last one among them. */
function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  const step = (all.length - 1) / Math.max(1, count - 1);
  return Array.from(
    { length: count },
    (_, i) => all[Math.round(all.length - 1 - (count - 1 - i) * step)],
  );
}
