/**
 * All that is known of one run, kept up to date: what the detail screen draws.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { errorMessage } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { pause } from "../../base/pause.ts";
import { safeText } from "../../base/safe_text.ts";
import { runPaths } from "../../run/files/run_paths.ts";
import { loadRunState, type RunState } from "../../run/files/run_state.ts";
import { fileSignature } from "../../run/watch/file_signature.ts";
import { type FollowEvent, followRun } from "../../run/watch/follow_run.ts";
import type { Range } from "../charts/plot.ts";
import { type CheckpointRow, checkpointRows } from "./checkpoint_rows.ts";
import { CloseUp } from "./close_up.ts";
import {
  type Curves,
  CurveStore,
  emptyCurves,
  type Extent,
  MOST_POINTS,
  NOTHING,
} from "./curves.ts";

/** What is known of a run. */
export interface RunRecord {
  runId: string;
  /** Null until it was read, and for one that cannot be. */
  state: RunState | null;
  curves: Curves;
  /** The steps that the curves are of. */
  extent: Extent;
  /** The last lines of `train.log`. */
  log: string[];
  /** Lines of it that have come in all. */
  logged: number;
  /** Why files cannot be read; newest last. */
  problems: string[];
  checkpoints: CheckpointRow[];
  /** Its directory is gone. */
  removed: boolean;
  /** Files were looked at. */
  loaded: boolean;
}

/** Lines of the log that are kept. */
const LOG_LINES = 2000;
/** More points than a wide terminal has columns. */
const ENOUGH_POINTS = MOST_POINTS / 32;
/** A run that has ended may be resumed, one that is gone may come back. */
const REVIVAL_INTERVAL_MS = 1000;

/** An empty record. */
export function emptyRecord(runId: string): RunRecord {
  return {
    runId,
    state: null,
    curves: emptyCurves(),
    extent: NOTHING,
    log: [],
    logged: 0,
    problems: [],
    checkpoints: [],
    removed: false,
    loaded: false,
  };
}

/** Follows one run until it is disposed of. */
export class RunFeed implements Disposable {
  readonly record: RunRecord;
  readonly #root: string;
  readonly #onChange: () => void;
  readonly #over = new AbortController();
  #curves = new CurveStore();
  #closeUp: CloseUp;
  #checkpoint: string | null | undefined;

  /** @param state Where the run stood a moment ago: a long one takes time. */
  constructor(
    root: string,
    runId: string,
    { state, onChange }: { state: RunState | null; onChange: () => void },
  ) {
    this.#root = root;
    this.#onChange = onChange;
    this.record = { ...emptyRecord(runId), state };
    this.#closeUp = this.#newCloseUp();
    void this.#run();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#closeUp[Symbol.dispose]();
  }

  /**
   * Curves of a part of the steps, with more in them than those of the record
   * have; null where there is no more, or as long as it is not read.
   */
  curvesOf(part: Range): Curves | null {
    const { low, high } = this.#curves.extent;
    const points = this.#curves.curves.trainLoss.length *
      (part.high - part.low) / (high - low);
    return this.#curves.isThinned && points < ENOUGH_POINTS
      ? this.#closeUp.curvesOf(part)
      : null;
  }

  /** Reads the list of checkpoints again. */
  async reloadCheckpoints(): Promise<void> {
    const { runId } = this.record;
    const dir = runPaths(this.#root, runId).checkpoints;
    this.record.checkpoints = await checkpointRows(dir).catch(() => []);
    this.#changed();
  }

  async #run(): Promise<void> {
    const { runId } = this.record;
    const { signal } = this.#over;
    const paths = runPaths(this.#root, runId);
    const { state: path, dir } = paths;
    while (!signal.aborted) {
      let isFirst = true;
      try {
        const events = followRun(this.#root, runId, {
          signal,
          metrics: "all",
          lastLogLines: LOG_LINES,
        });
        for await (const event of events) {
          if (isFirst) this.#restart();
          isFirst = false;
          this.#take(event);
        }
      } catch (error) {
        this.record.problems.push(errorMessage(error));
      }
      this.record.loaded = true;
      this.#changed();
      const signature = await fileSignature(path);
      // It may have had another last word since it was looked at.
      const last = await loadRunState(paths).catch(() => undefined);
      if (last && !isDeepStrictEqual(last, this.record.state)) continue;
      while (
        !signal.aborted &&
        await fileSignature(path) === signature &&
        await exists(dir) !== this.record.removed
      ) await pause(REVIVAL_INTERVAL_MS, signal);
    }
  }

  #restart(): void {
    this.record.removed = false;
    this.#restartCurves();
    this.record.log = [];
    this.record.problems = [];
  }

  #restartCurves(): void {
    this.#curves = new CurveStore();
    this.record.curves = this.#curves.curves;
    this.record.extent = this.#curves.extent;
    this.#closeUp[Symbol.dispose]();
    this.#closeUp = this.#newCloseUp();
  }

  #newCloseUp(): CloseUp {
    const { metrics } = runPaths(this.#root, this.record.runId);
    return new CloseUp(metrics, () => this.#changed());
  }

  #take(event: FollowEvent): void {
    const { record } = this;
    switch (event.kind) {
      case "state":
        record.state = event.state;
        if (event.state.lastCheckpoint !== this.#checkpoint) {
          this.#checkpoint = event.state.lastCheckpoint;
          void this.reloadCheckpoints();
        }
        break;
      case "metrics":
        if (event.restarted) this.#restartCurves();
        this.#curves.add(event.metrics);
        record.extent = this.#curves.extent;
        this.#closeUp.add(event.metrics);
        break;
      case "log":
        if (event.restarted) record.log = [];
        record.log.push(...event.lines.map(safeText));
        record.logged += event.lines.length;
        record.log.splice(0, record.log.length - LOG_LINES);
        break;
      case "damaged":
        record.problems.push(safeText(event.message));
        if (this.#checkpoint === undefined) void this.reloadCheckpoints();
        break;
      case "removed":
        record.removed = true;
        this.#checkpoint = undefined;
        break;
    }
    this.#changed();
  }

  #changed(): void {
    if (!this.#over.signal.aborted) this.#onChange();
  }
}
