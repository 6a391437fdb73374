/**
 * All runs, looked at again and again: a file is read only if it was written
 * since the last look, so that watching many runs that rest costs two `stat`
 * calls each. Whether a process still lives is asked once a second.
 *
 * @module
 */

import { fileSignature } from "./file_signature.ts";
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

/** A process that was killed says nothing about it. */
const ASK_ALIVE_MS = 1000;

/** What is known of one run. */
interface Known {
  metaSignature: string;
  meta: Attempt<RunMeta>;
  stateSignature: string;
  state: Attempt<RunState>;
  askedAtMs: number;
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
   * As `listRuns`. The info of a run in which nothing has changed is the same
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
    const paths = runPaths(this.#root, runId);
    const before = this.#known.get(runId);
    const [metaSignature, stateSignature] = await Promise.all([
      fileSignature(paths.meta),
      fileSignature(paths.state),
    ]);
    const isMetaSame = before?.metaSignature === metaSignature;
    const atMs = this.#now();
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
