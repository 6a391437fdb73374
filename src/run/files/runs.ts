/**
 * The runs under a root: reading one, listing all, finding the one that is
 * meant. Nothing here writes.
 *
 * @module
 */

import { errorMessage, EXIT, UserError } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";
import { LaterVersion } from "../../base/later_version.ts";
import { editDistance } from "../../config/near_miss.ts";
import { loadMeta, type RunMeta } from "./meta.ts";
import { rootPaths, type RunPaths, runPaths } from "./run_paths.ts";
import { loadRunState, type RunState } from "./run_state.ts";

/** A run as it is on disk. */
export interface RunInfo {
  /** The name of its directory. */
  runId: string;
  /** Null if the file is missing or damaged; `broken` says why. */
  meta: RunMeta | null;
  /** Null likewise. */
  state: RunState | null;
  /** Why the run cannot be used as it is; null for a good one. */
  broken: string | null;
  /** When its newest session started, or it was created; ISO. */
  startedAt: string | null;
}

/** A hint names at most this many runs. */
const MAX_NAMED = 5;

/** What came of reading a file. */
export type Attempt<T> = { value: T | null; problem: string | null };

/** Waits for a file to be read; failure becomes a problem. */
export async function attempt<T>(
  read: Promise<T | undefined>,
): Promise<Attempt<T>> {
  try {
    return { value: await read ?? null, problem: null };
  } catch (error) {
    const message = errorMessage(error);
    const isLater = error instanceof LaterVersion;
    return {
      value: null,
      problem: isLater ? `${message}: ${error.hint}` : message,
    };
  }
}

/**
 * Reads a run's files. Damage is told in `broken`, not thrown.
 *
 * @param runId The id of an existing directory in `runs`.
 */
export async function readRun(root: string, runId: string): Promise<RunInfo> {
  const paths = runPaths(root, runId);
  const meta = await attempt(loadMeta(paths.meta));
  return runInfo(paths, runId, {
    meta,
    state: await attempt(loadRunState(paths)),
  });
}

/** What the files of a run say together. */
export function runInfo(
  paths: RunPaths,
  runId: string,
  { meta: { value: meta, ...ofMeta }, state: { value: state, ...ofState } }: {
    meta: Attempt<RunMeta>;
    state: Attempt<RunState>;
  },
): RunInfo {
  const problems = [ofMeta.problem, ofState.problem]
    .filter((problem) => problem !== null);
  if (state === null && problems.length === 0) {
    problems.push(`Cannot read "${paths.state}": there is no such file`);
  }
  return {
    runId,
    meta,
    state,
    broken: problems.length > 0 ? problems.join("; ") : null,
    startedAt: lastStart(meta) ?? state?.updatedAt ?? null,
  };
}

/** People may edit `meta.json`, and only its configuration was checked. */
function lastStart(meta: RunMeta | null): string | null {
  const sessions: unknown = meta?.sessions;
  const last = Array.isArray(sessions) ? sessions.at(-1) : null;
  const isTime = (value: unknown): value is string =>
    typeof value === "string" && !Number.isNaN(Date.parse(value));
  return [last?.startedAt, meta?.createdAt].find(isTime) ?? null;
}

/**
 * All runs, the one started last first; broken ones included. Times decide
 * only between runs of which no order is known: a clock can be set back.
 */
export async function listRuns(root: string): Promise<RunInfo[]> {
  const ids = await listRunIds(root);
  const runs = await Promise.all(ids.map((runId) => readRun(root, runId)));
  return runs.sort(byStart);
}

/** Compares two runs: the one started last comes first. */
export function byStart(a: RunInfo, b: RunInfo): number {
  return orderOf(b) - orderOf(a) ||
    (b.startedAt ?? "").localeCompare(a.startedAt ?? "") ||
    a.runId.localeCompare(b.runId);
}

/** The `order` of a run that starts now. */
export async function nextOrder(root: string): Promise<number> {
  return 1 + Math.max(0, ...(await listRuns(root)).map(orderOf));
}

/** People may edit `meta.json`; a run that cannot be read comes last. */
function orderOf({ meta }: RunInfo): number {
  return Number.isSafeInteger(meta?.order) ? meta!.order : 0;
}

/**
 * The ids of all runs, in no particular order.
 *
 * @throws {UserError} If there can be none in such a place, or none be seen.
 */
export async function listRunIds(root: string): Promise<string[]> {
  const ids: string[] = [];
  const { runs } = rootPaths(root);
  try {
    for await (const entry of Deno.readDir(runs)) {
      if (entry.isDirectory && !entry.name.startsWith(".")) {
        ids.push(entry.name);
      }
    }
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return ids;
    const problem = ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot look for runs in "${runs}": ${problem}`, {
      hint: "check the folder after --root, or that of HEARTH_ROOT",
      exitCode: EXIT.usage,
      cause,
    });
  }
  return ids;
}

/**
 * The id of the run that `ref` means: an id, the unique beginning of one, or
 * `latest`, the run that was started last.
 *
 * @throws {UserError} If there is none, or more than one.
 */
export async function resolveRun(root: string, ref: string): Promise<string> {
  const ids = await listRunIds(root);
  if (ids.includes(ref)) return ref;
  if (ids.length === 0) {
    throw new UserError(
      ref === "latest"
        ? `There are no runs in "${rootPaths(root).runs}"`
        : `There is no run "${ref}", and no other in "${rootPaths(root).runs}"`,
      { hint: "start one with hearth train", exitCode: EXIT.usage },
    );
  }
  if (ref === "latest") return (await listRuns(root))[0].runId;

  const matches = ref === "" ? [] : ids.filter((id) => id.startsWith(ref));
  if (matches.length === 1) return matches[0];
  const [message, named] = matches.length > 1
    ? [`There are ${matches.length} runs that begin with "${ref}"`, matches]
    : [`There is no run "${ref}"`, ids];
  const nearest = named
    .sort((a, b) =>
      editDistance(ref, a) - editDistance(ref, b) || a.localeCompare(b)
    );
  const more = nearest.length - MAX_NAMED;
  throw new UserError(message, {
    hint: `there ${nearest.length === 1 ? "is" : "are"} ` +
      nearest.slice(0, MAX_NAMED).join(", ") +
      (more > 0 ? ` and ${more} more; hearth runs lists them` : ""),
    exitCode: EXIT.usage,
  });
}

/**
 * The id of the run that `ref` means to a person who asks for one that is
 * running: then `latest` is the one of those that was started last, if any is.
 *
 * @throws {UserError} If there is none, or more than one.
 */
export async function resolveRunning(
  root: string,
  ref: string,
): Promise<string> {
  if (ref === "latest") {
    const running = (await listRuns(root)).find(({ state }) => state?.alive);
    if (running) return running.runId;
  }
  return await resolveRun(root, ref);
}
