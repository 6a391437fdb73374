/**
 * The clock of a training run: where it stands and how long things take.
 *
 * All wall time belongs to the step, evaluation or checkpoint that ends it,
 * the time that readers take for events included, so that the ETA foresees
 * that as well.
 *
 * @module
 */

import { type Cadence, remainingWork } from "./cadence.ts";
import { Eta } from "./eta.ts";
import { evalBatchCount } from "./evaluate.ts";
import type { Progress } from "./events.ts";
import type { Session } from "./session.ts";

/**
 * What a checkpoint takes until one was measured: bytes per second, hashed
 * and synced, and time for its small files. Measured on a cloud machine with
 * network storage, 2026-11.
 */
const SAVE_BYTES_PER_SEC = 200e6;
const SAVE_OVERHEAD_MS = 10;
/** A forward pass is a third of a micro-step: the backward pass costs two. */
const FORWARD_SHARE = 1 / 3;

/** How long some steps took, looked at together. */
export interface StepTimes {
  /** Of each, all that happened since the last lap included. */
  lapMs: number;
  /** Of each, by itself. */
  dtMs: number;
}

/** Measures one process's share of a run; see the module. */
export class Tracker {
  readonly #session: Session;
  readonly #cadence: Cadence;
  readonly #now: () => number;
  readonly #eta: Eta;
  /** Batches per evaluation. */
  readonly #evalBatches: number;
  /** When the last thing that was timed ended. */
  #lapStart: number;
  /** When the thing that is being timed began. */
  #began: number;

  /** @param options.now A clock in milliseconds. */
  constructor(
    session: Session,
    { cadence, now }: { cadence: Cadence; now: () => number },
  ) {
    this.#session = session;
    this.#cadence = cadence;
    this.#now = now;
    this.#lapStart = this.#began = now();

    const { state, dataset, config: { train }, checkpointBytes } = session;
    this.#evalBatches = evalBatchCount({
      ...train,
      sources: dataset.val,
    });
    this.#eta = new Eta({
      evalCost: this.#evalBatches / train.gradAccumSteps *
        (state.evalBatchCost ?? FORWARD_SHARE),
      checkpointMs: state.checkpointMs ??
        SAVE_OVERHEAD_MS + 1000 * checkpointBytes / SAVE_BYTES_PER_SEC,
    });
  }

  /** A step, an evaluation or a checkpoint begins. */
  begin(): void {
    this.#began = this.#now();
  }

  /**
   * An evaluation or a checkpoint has ended. What comes to nothing, such as an
   * evaluation that is told to stop, has no end: its time falls to what comes
   * next.
   *
   * @returns Its own time in milliseconds.
   */
  end(kind: "evaluation" | "checkpoint"): number {
    const { lapMs, dtMs } = this.#lap();
    this.#session.state.elapsedMs += lapMs;
    if (kind === "evaluation") this.#eta.recordEvaluation(lapMs);
    if (kind === "checkpoint") this.#eta.recordCheckpoint(lapMs);
    return dtMs;
  }

  /** `count` steps have ended; each is to be counted. */
  endSteps(count: number): StepTimes {
    const { lapMs, dtMs } = this.#lap();
    return { lapMs: lapMs / count, dtMs: dtMs / count };
  }

  /** Counts one of the steps that have ended. */
  countStep({ lapMs }: StepTimes): void {
    this.#session.state.elapsedMs += lapMs;
    this.#eta.recordStep(lapMs);
  }

  #lap(): StepTimes {
    const now = this.#now();
    const lapMs = now - this.#lapStart;
    this.#lapStart = now;
    return { lapMs, dtMs: now - this.#began };
  }

  /** Where the run stands. */
  progress(): Progress {
    const { state, dataset, epochs } = this.#session;
    const work = remainingWork(state, this.#cadence);
    return {
      step: state.step,
      totalSteps: state.totalSteps,
      epoch: state.cursor / dataset.train.batchesPerEpoch,
      epochs,
      tokens: state.tokens,
      elapsedMs: state.elapsedMs,
      remainingMs: this.#eta.remainingMs(work),
    };
  }

  /** Training tokens per second of the recent steps, of which `dtMs` is one. */
  tokensPerSec(dtMs: number): number {
    const { dataset, config } = this.#session;
    const tokens = config.train.gradAccumSteps * dataset.train.tokensPerBatch;
    return 1000 * tokens / (this.#eta.stepMs ?? dtMs);
  }

  /** Notes in the state what a resumed run's ETA begins with. */
  keepCosts(): void {
    const { state, config: { train } } = this.#session;
    state.evalBatchCost = this.#eta.evalCost * train.gradAccumSteps /
      this.#evalBatches;
    state.checkpointMs = this.#eta.checkpointMs;
  }
}
