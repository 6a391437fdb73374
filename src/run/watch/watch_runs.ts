/**
 * All runs, looked at again and again: a file is read only if it was written
 * since the last look, which two `stat` calls tell. A run at rest is looked at
 * the less often the longer it rests, up to every two seconds, so that hundreds
 * of them cost next to nothing. Whether a process still lives is asked once a
 * second.
 *
 * @module
 */

import { loadMeta, type RunMeta } from "../files/meta.ts";
import { runPaths } from "../files/run_paths.ts";
import { isActive, loadRunState, type RunState } from "../files/run_state.ts";
import {
  type Attempt,
  attempt,
  byStart,
  listRunIds,
  type RunInfo,
  runInfo,
} from "../files/runs.ts";
import { fileSignature } from "./file_signature.ts";

/** A process that was killed says nothing about it. */
const ASK_ALIVE_MS = 1000;
/** A run at rest is not looked at for this part of the time that it rests. */
const REST_PART = 1 / 8;
/** Whoever resumes one from elsewhere waits no longer to see it. */
const MOST_REST_MS = 2000;

/** What is known of one run. */
interface Known {
  metaSignature: string;
  meta: Attempt<RunMeta>;
  stateSignature: string;
  state: Attempt<RunState>;
  askedAtMs: number;
  /** When something was last seen to change. */
  changedAtMs: number;
  /** Nothing is looked at before. */
  nextAtMs: number;
  info: RunInfo;
}

/** Watches the runs under one root. */
export class RunsWatch {
  readonly #root: string;
  readonly #now: () => number;
  #known = new Map<string, Known>();

  /** @param options.now A clock in milliseconds, for tests. */
  constructor(
    root: string,
    { now = () => performance.now() }: { now?: () => number } = {},
  ) {
    this.#root = root;
    this.#now = now;
  }

  /**
   * As `listRuns`, but for runs at rest, which may be seen as they were two
   * seconds ago. The info of a run in which nothing has changed is the same
   * object as before.
   */
  async look(): Promise<RunInfo[]> {
    const ids = await listRunIds(this.#root);
    const all = await Promise.all(
      ids.map(async (id) => [id, await this.#lookAt(id)] as const),
    );
    this.#known = new Map(all); // those that are gone are forgotten
    return all.map(([, { info }]) => info).sort(byStart);
  }

  async #lookAt(runId: string): Promise<Known> {
    const atMs = this.#now();
    const before = this.#known.get(runId);
    if (before && atMs < before.nextAtMs) return before;
    const known = await this.#read(runId, { before, atMs });
    const { state, info } = known;
    const rests = state.value !== null && !isActive(state.value.status);
    const changedAtMs = info === before?.info ? before.changedAtMs : atMs;
    const waitMs = rests
      ? Math.min(MOST_REST_MS, (atMs - changedAtMs) * REST_PART)
      : 0;
    return { ...known, changedAtMs, nextAtMs: atMs + waitMs };
  }

  async #read(
    runId: string,
    { before, atMs }: { before: Known | undefined; atMs: number },
  ): Promise<Omit<Known, "changedAtMs" | "nextAtMs">> {
    const paths = runPaths(this.#root, runId);
    const [metaSignature, stateSignature] = await Promise.all([
      fileSignature(paths.meta),
      fileSignature(paths.state),
    ]);
    const isMetaSame = before?.metaSignature === metaSignature;
    const isStateSame = before?.stateSignature === stateSignature &&
      !(before.state.value !== null && isActive(before.state.value.status) &&
        atMs - before.askedAtMs >= ASK_ALIVE_MS);
    if (isMetaSame && isStateSame) return before;
    const meta = isMetaSame ? before.meta : await attempt(loadMeta(paths.meta));
    const state = isStateSame
      ? before.state
      : await attempt(loadRunState(paths));
    const info = runInfo(paths, runId, { meta, state });
    const isSame = isMetaSame &&
      JSON.stringify(info.state) === JSON.stringify(before.info.state) &&
      info.broken === before.info.broken;
    return {
      metaSignature,
      meta,
      stateSignature,
      state,
      askedAtMs: isStateSame ? before.askedAtMs : atMs,
      info: isSame ? before.info : info,
    };
  }
}
