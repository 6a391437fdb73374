/**
 * Follows a run of another process by its files: where it stands, what it
 * measures, what it logs.
 *
 * The files are looked at a few times a second, which works on every file
 * system; a look that finds nothing new costs a few `stat` calls. Nothing is
 * written. Whether the process still lives is asked once a second: one that
 * was killed says nothing about it.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { pause } from "../../base/pause.ts";
import { isLocked } from "../files/lock.ts";
import { type Metric, parseMetric } from "../files/metrics.ts";
import { type RunPaths, runPaths } from "../files/run_paths.ts";
import { isActive, loadRunState, type RunState } from "../files/run_state.ts";
import { TailFile } from "../files/tail_file.ts";
import { fileSignature } from "./file_signature.ts";

/** Something new about the run. */
export type FollowEvent =
  /** Comes whenever it has changed, after what was logged until then. */
  | { kind: "state"; state: RunState }
  /**
   * Rows of `metrics.jsonl`. `restarted`: the file was rewritten, as on
   * resume; forget the rows that came before.
   */
  | { kind: "metrics"; metrics: Metric[]; restarted: boolean }
  /** Lines of `train.log`, as they are in the file. */
  | { kind: "log"; lines: string[]; restarted: boolean }
  /** A file cannot be read or understood; told once for each reason. */
  | { kind: "damaged"; message: string }
  /** The directory of the run is gone. */
  | { kind: "removed" };

/** What to follow, and how. */
export interface FollowOptions {
  /** Ends it, as the end of the run does. */
  signal?: AbortSignal;
  /** Time between two looks, in milliseconds. */
  intervalMs?: number;
  /** All metrics, or those to come; none if left out. */
  metrics?: "all" | "new";
  /** How many of the last lines of the log come first; no log if left out. */
  lastLogLines?: number;
}

/** A change is seen as soon as a person would notice. */
const INTERVAL_MS = 250;
/** After so many intervals without news, ask whether the process lives. */
const ASK_AFTER = 4;
/** A run that begins may lack state and lock for so many intervals. */
const START_WITHIN = 12;

/**
 * What is known of the run now, and then what changes, until the run has
 * ended and its files are read to the end. A run that has ended before is read
 * once.
 *
 * @param runId The id of an existing run; its files may be still to come.
 */
export async function* followRun(
  root: string,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<FollowEvent> {
  const { signal, intervalMs = INTERVAL_MS } = options;
  const paths = runPaths(root, runId);
  const told = new Set<string>();
  const state = new StateReader(paths, intervalMs);
  const metrics = options.metrics &&
    new TailFile(paths.metrics, {
      lastLines: options.metrics === "all" ? Infinity : 0,
    });
  const log = options.lastLogLines !== undefined &&
    new TailFile(paths.log, { lastLines: options.lastLogLines });

  const isOver = () => signal?.aborted === true;
  while (!isOver()) {
    // The state comes first: what is in the files when the run has ended is
    // all there will be.
    const look = await state.look();
    if (look.phase === "removed") return yield { kind: "removed" };
    const problems = look.problem === null ? [] : [look.problem];
    try {
      if (log) {
        for await (const chunk of whole(log, isOver)) {
          yield { kind: "log", ...chunk };
        }
      }
      if (metrics) {
        for await (const { lines, restarted } of whole(metrics, isOver)) {
          const rows = lines.filter(Boolean).map(parseMetric);
          const good = rows.filter((row) => row !== null);
          if (good.length < rows.length) {
            problems.push(`"${paths.metrics}" has lines that are no metrics`);
          }
          yield { kind: "metrics", metrics: good, restarted };
        }
      }
      if (look.phase === "ended" && log) {
        const line = await log.rest();
        if (line !== "") yield { kind: "log", lines: [line], restarted: false };
      }
    } catch (error) {
      problems.push(errorMessage(error));
    }
    if (look.changed !== null) yield { kind: "state", state: look.changed };
    for (const message of problems) {
      if (told.has(message)) continue;
      told.add(message);
      yield { kind: "damaged", message };
    }
    if (look.phase === "ended" || isOver()) return;
    await pause(intervalMs, signal);
  }
}

/** All that a file has now, in pieces. */
async function* whole(file: TailFile, isOver: () => boolean) {
  for (;;) {
    const chunk = await file.read();
    if (chunk === null || isOver()) return;
    yield chunk;
  }
}

/** One look at `state.json`. */
interface Look {
  /** Whether anything will follow. */
  phase: "going" | "ended" | "removed";
  /** The state, if it is another than before. */
  changed: RunState | null;
  /** Why there is none, in a run that has had the time to write it. */
  problem: string | null;
}

/** Watches `state.json` and the process behind it. */
class StateReader {
  readonly #paths: RunPaths;
  readonly #intervalMs: number;
  /** Of the file that was read last. */
  #signature = "";
  /** Of the state that was read last. */
  #text = "";
  #askedAt = -Infinity;
  /** Since when there is no state; null while there is one. */
  #missingSince: number | null = null;
  #last: Look = { phase: "going", changed: null, problem: null };

  constructor(paths: RunPaths, intervalMs: number) {
    this.#paths = paths;
    this.#intervalMs = intervalMs;
  }

  async look(): Promise<Look> {
    const now = performance.now();
    const signature = await fileSignature(this.#paths.state);
    const isFresh = now - this.#askedAt < ASK_AFTER * this.#intervalMs;
    if (isFresh && signature === this.#signature) {
      return { ...this.#last, changed: null };
    }
    this.#signature = signature;
    this.#askedAt = now;
    this.#last = await this.#read(now);
    return this.#last;
  }

  async #read(now: number): Promise<Look> {
    let state: RunState | undefined;
    try {
      state = await loadRunState(this.#paths);
    } catch (error) {
      return await this.#withoutState(errorMessage(error));
    }
    if (state) {
      this.#missingSince = null;
      const text = JSON.stringify(state);
      const changed = text === this.#text ? null : state;
      this.#text = text;
      const phase = isActive(state.status) ? "going" : "ended";
      return { phase, changed, problem: null };
    }
    // The run begins, was removed, or will never have a state.
    if (!await isDirectory(this.#paths.dir)) {
      return { phase: "removed", changed: null, problem: null };
    }
    this.#missingSince ??= now;
    if (now - this.#missingSince < START_WITHIN * this.#intervalMs) {
      return { phase: "going", changed: null, problem: null };
    }
    return await this.#withoutState(
      `Cannot read "${this.#paths.state}": there is no such file`,
    );
  }

  /** If a process is at work, it writes a good state within a second. */
  async #withoutState(problem: string): Promise<Look> {
    const phase = await isLocked(this.#paths.lock) ? "going" : "ended";
    return { phase, changed: null, problem };
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isDirectory, () => false);
}
