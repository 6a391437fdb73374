/** What a run came to, to compare with another one. @module */

import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { loadMetrics } from "./_load_metrics.ts";
import { readSnapshot } from "./_snapshot.ts";

/** Kind, step and loss of each row, and the final weights, of run owl-1. */
export async function outcome(root: string) {
  const { metrics, checkpoints } = runPaths(root, "owl-1");
  const rows = (await loadMetrics(metrics)).map((row) =>
    `${row.kind} ${row.step} ` +
    (row.kind === "step" ? row.trainLoss : row.valLoss)
  );
  const { content } = await loadCheckpoint(checkpoints, { read: readSnapshot });
  return { rows, params: content.params, optimizer: content.optimizer };
}
