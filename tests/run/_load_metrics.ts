/** The whole of `metrics.jsonl`. @module */

import { type Metric, readMetrics } from "../../src/run/files/metrics.ts";

/** The rows; a line that is torn or damaged is left out. */
export async function loadMetrics(path: string): Promise<Metric[]> {
  const rows = await Array.fromAsync(readMetrics(path));
  return rows.filter((row) => row !== null);
}
