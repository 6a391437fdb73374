/**
 * The training loop, top to bottom.
 *
 * It yields plain events and knows no terminal, file or process: src/run/
 * stores the events and writes the checkpoints, tests read them from an array.
 * Each decision follows from the state's counters, so a resumed run takes the
 * same ones; see cadence.ts.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import {
  type Cadence,
  checkpointDue,
  evaluationDue,
  isPeriodic,
  remainingWork,
} from "./cadence.ts";
import { Eta } from "./eta.ts";
import { evalBatchCount, evaluate } from "./evaluate.ts";
import type { Progress, TrainEvent } from "./events.ts";
import type { Session } from "./session.ts";
import type { Snapshot } from "./snapshot.ts";
import { runStep, type StepResult } from "./step.ts";
import type { TrainerState } from "./trainer_state.ts";

/** Why a checkpoint is written. */
export interface SaveInfo {
  step: number;
  /** This is the best validation loss so far, and the best is to be kept. */
  best: boolean;
  /** The step is one of every `checkpoint.every`. */
  periodic: boolean;
  /** The last one of this process. */
  final: boolean;
}

/**
 * Writes a checkpoint.
 *
 * @param snapshot Reads it from the device, once the writer has room for it.
 * @returns What the event says: its name and size.
 */
export type SaveCheckpoint = (
  snapshot: () => Promise<Snapshot>,
  info: SaveInfo,
) => Promise<{ name: string; sizeBytes: number }>;

/** What surrounds a {@linkcode train} call. */
export interface TrainOptions {
  /** Finish the step, save, and end with reason `stopped`. */
  signal?: AbortSignal;
  save?: SaveCheckpoint;
  /** A clock in milliseconds; tests bring their own. */
  now?: () => number;
}

/**
 * What a checkpoint takes until one was measured: bytes per second, hashed
 * and synced, and time for its small files. Measured on a cloud machine with
 * network storage, 2026-11.
 */
const SAVE_BYTES_PER_SEC = 200e6;
const SAVE_OVERHEAD_MS = 10;
/** A forward pass is a third of a micro-step: the backward pass costs two. */
const FORWARD_SHARE = 1 / 3;

/**
 * Trains from the session's state to its `totalSteps`. The session stays open.
 *
 * @throws {UserError} If too many steps in a row were not finite, or the last
 * checkpoint cannot be written.
 */
export async function* train(
  session: Session,
  { signal, save, now = () => performance.now() }: TrainOptions = {},
): AsyncGenerator<TrainEvent> {
  const { config, dataset, state } = session;
  const { gradAccumSteps, earlyStopPatience, logEvery } = config.train;
  const tokensPerStep = gradAccumSteps * dataset.train.tokensPerBatch;
  const cadence: Cadence = {
    evalEvery: config.train.evalEvery,
    checkpointEvery: config.checkpoint.every,
    saveBest: config.checkpoint.best,
  };
  const evaluation = {
    batches: dataset.val,
    evalBatches: config.train.evalBatches,
    bytesPerToken: dataset.valBytesPerToken,
    signal,
  };
  const eta = new Eta({
    evalCost: state.evalCost ??
      evalBatchCount(evaluation) * FORWARD_SHARE / gradAccumSteps,
    checkpointMs: state.checkpointMs ??
      SAVE_OVERHEAD_MS + 1000 * session.checkpointBytes / SAVE_BYTES_PER_SEC,
  });
  /** All wall time belongs to what ended it: step, evaluation or checkpoint. */
  let lapStart = now();
  const lap = () => {
    const lapMs = now() - lapStart;
    lapStart += lapMs;
    state.elapsedMs += lapMs;
    return lapMs;
  };
  const progress = (): Progress => ({
    step: state.step,
    totalSteps: state.totalSteps,
    epoch: state.cursor / dataset.train.batchesPerEpoch,
    epochs: state.totalSteps / session.stepsPerEpoch,
    tokens: state.tokens,
    elapsedMs: state.elapsedMs,
    remainingMs: eta.remainingMs(remainingWork(state, cadence)),
  });
  let lastSaved: string | null = null;

  yield { kind: "start", ...progress() };
  for (const message of session.warnings) {
    yield { kind: "warning", message, ...progress() };
  }

  for (;;) {
    // 1. Evaluate: before the first step, every evalEvery, and at the end.
    let newBest = false, earlyStop = false;
    if (evaluationDue(state, cadence) && !signal?.aborted) {
      const startMs = now();
      const result = await evaluate(session.executable, evaluation);
      if (result) { // else the signal ended it; a resumed run makes it up
        newBest = recordEvaluation(state, result.valLoss);
        earlyStop = earlyStopPatience > 0 &&
          state.evalsSinceBest >= earlyStopPatience;
        const dtMs = now() - startMs;
        eta.recordEvaluation(lap());
        yield {
          kind: "eval",
          valLoss: result.valLoss,
          valBpb: result.valBpb,
          bestValLoss: state.bestValLoss ?? result.valLoss,
          best: newBest,
          dtMs,
          ...progress(),
        };
      }
    }

    // 2. Find out whether this is the end.
    const complete = state.step >= state.totalSteps &&
      !evaluationDue(state, cadence);
    const reason = complete
      ? "finished"
      : earlyStop
      ? "earlyStop"
      : signal?.aborted
      ? "stopped"
      : null;

    // 3. Save. An untrained model is the best so far, but not worth keeping.
    const final = reason !== null;
    const best = newBest && cadence.saveBest && state.step > 0;
    const unsaved = state.saveStep !== state.step;
    if (save && (checkpointDue(state, cadence) || best || final && unsaved)) {
      state.saveStep = state.step;
      state.evalCost = eta.evalCost;
      state.checkpointMs = eta.checkpointMs;
      const startMs = now();
      const periodic = isPeriodic(state, cadence);
      const info = { step: state.step, best, periodic, final };
      const saved = await trySave(save, session, info);
      const dtMs = now() - startMs;
      if ("message" in saved) {
        yield { kind: "warning", ...saved, ...progress() };
      } else {
        lastSaved = saved.name;
        eta.recordCheckpoint(lap());
        yield { kind: "checkpoint", ...saved, best, dtMs, ...progress() };
      }
    }
    if (reason) {
      yield { kind: "done", reason, ...progress() };
      return;
    }

    // 4. One optimizer step.
    const startMs = now();
    const result = await runStep(session);
    const dtMs = now() - startMs;
    eta.recordStep(lap());
    yield {
      kind: "step",
      ...result,
      dtMs,
      tokensPerSec: 1000 * tokensPerStep / (eta.stepMs ?? dtMs),
      log: state.step % logEvery === 0 || state.step === state.totalSteps,
      ...progress(),
    };
    if (result.skipped) {
      const { skippedInRow } = state;
      const message = `Skipped ${notFinite(state, result)}`;
      yield { kind: "warning", message, ...progress() };
      if (skippedInRow >= config.train.maxSkippedSteps) {
        throw tooManySkipped(state, result, lastSaved);
      }
    }
  }
}

/** Notes an evaluation in the state. @returns Whether it is a new best. */
function recordEvaluation(state: TrainerState, valLoss: number): boolean {
  const best = valLoss < (state.bestValLoss ?? Infinity);
  state.evalStep = state.step;
  state.evalsSinceBest = best ? 0 : state.evalsSinceBest + 1;
  if (best) {
    state.bestValLoss = valLoss;
    state.bestStep = state.step;
  }
  return best;
}

function notFinite(state: TrainerState, result: StepResult): string {
  return `step ${state.step}: loss is ${result.trainLoss}, gradient norm ` +
    `${result.gradNorm}`;
}

function tooManySkipped(
  state: TrainerState,
  result: StepResult,
  lastSaved: string | null,
): UserError {
  const again = lastSaved === null
    ? "train again"
    : `resume from checkpoint ${lastSaved}`;
  return new UserError(
    `Stopped at ${notFinite(state, result)}, not finite for ` +
      `${state.skippedInRow} steps in a row`,
    { hint: `${again} with a smaller lr, or a longer warmupSteps` },
  );
}

/** Saves, or says why not: training goes on, unless this was the last. */
async function trySave(
  save: SaveCheckpoint,
  session: Session,
  info: SaveInfo,
): Promise<{ name: string; sizeBytes: number } | { message: string }> {
  try {
    return await save(session.snapshot, info);
  } catch (error) {
    const message = `Cannot save the checkpoint of step ${info.step}: ` +
      errorMessage(error);
    if (!info.final) {
      return { message: `${message}; training goes on to the next one` };
    }
    if (error instanceof UserError) throw error;
    const hint = "make room on the disk, then resume the run";
    throw new UserError(message, { hint, cause: error });
  }
}
