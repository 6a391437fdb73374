/**
 * Models to choose from, by the names that the command line has for them.
 *
 * @module
 */

import { readPointer } from "../../run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../run/files/run_paths.ts";
import { checkpointRows } from "./checkpoint_rows.ts";

/** The model of a run, or of one of its checkpoints: `owl-1/500`. */
export function modelRef(runId: string, checkpoint = "latest"): string {
  return `${runId}/${checkpoint.replace(/^step-0*(?=\d)/, "")}`;
}

/** The names that a run keeps while it trains: not those of single steps. */
const LASTING = ["latest", "best"];

/** What a lasting name stands for now; other names as they are. */
export async function stepRef(root: string, ref: string): Promise<string> {
  const [, runId, name = "latest"] = /^([^/]+)(?:\/([^/]+))?$/.exec(ref) ?? [];
  if (runId === undefined || name !== "latest" && name !== "best") return ref;
  const dir = runPaths(root, runId).checkpoints;
  return modelRef(runId, await readPointer(dir, name) ?? name);
}

/** `owl-1/latest`, `owl-1/best`, `owl-1/500` and so on, as there are. */
export async function modelRefs(
  root: string,
  runId: string,
): Promise<string[]> {
  const dir = runPaths(root, runId).checkpoints;
  const rows = await checkpointRows(dir).catch(() => []);
  const good = rows.filter(({ step }) => step !== null);
  if (good.length === 0) return [];
  return [
    "latest",
    ...(good.some(({ isBest }) => isBest) ? ["best"] : []),
    ...good.map(({ step }) => String(step)),
  ].map((name) => `${runId}/${name}`);
}

/** Those of several runs, one after another, without single steps. */
export async function lastingRefs(
  root: string,
  runIds: readonly string[],
): Promise<string[]> {
  const refs: string[] = [];
  for (const runId of runIds) refs.push(...await modelRefs(root, runId));
  return refs.filter((ref) => LASTING.includes(ref.split("/")[1]));
}
