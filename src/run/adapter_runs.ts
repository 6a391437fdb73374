/**
 * Which runs are nothing without another: their checkpoints hold adapters, and
 * the model that these belong to is a checkpoint of that other run.
 *
 * @module
 */

import { listRuns } from "./files/runs.ts";

/** A run, and the checkpoint that it needs. */
export interface AdapterRun {
  runId: string;
  /** Such as `owl-1/step-00000500`. */
  from: string;
}

/** Runs that need a checkpoint of `runId`. */
export async function adapterRunsOf(
  root: string,
  runId: string,
): Promise<AdapterRun[]> {
  const needing: AdapterRun[] = [];
  for (const { runId: other, meta } of await listRuns(root)) {
    const { from, lora } = meta?.config ?? {};
    if (lora?.rank === undefined || from === undefined) continue;
    if (from.startsWith(`${runId}/`)) needing.push({ runId: other, from });
  }
  return needing;
}

/**
 * Of a run that goes on at `step`: whose models it will train again, and may
 * then save other weights in their place. One sentence each.
 */
export async function warnOfAdapters(
  root: string,
  runId: string,
  step: number,
): Promise<string[]> {
  const needing = await adapterRunsOf(root, runId);
  return needing.flatMap(({ runId: other, from }) => {
    const [, digits] = /\/step-(\d+)$/.exec(from) ?? [];
    if (digits === undefined || Number(digits) <= step) return [];
    return [
      `The adapters of "${other}" belong to ${from}, which is trained again: ` +
      "if it comes out as another, they are lost; hearth export " +
      `${other} keeps their merged model`,
    ];
  });
}

/** Names of checkpoints of `runId` that other runs need. */
export async function neededCheckpoints(
  root: string,
  runId: string,
): Promise<Set<string>> {
  const needing = await adapterRunsOf(root, runId);
  return new Set(needing.map(({ from }) => from.slice(runId.length + 1)));
}
