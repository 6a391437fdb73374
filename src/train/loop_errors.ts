/**
 * Why a run ends before its time, and what is left of it.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";
import type { StepResult } from "./step_log.ts";
import type { TrainerState } from "./trainer_state.ts";

/** A step whose loss or gradient is no number. */
export function notFinite(state: TrainerState, result: StepResult): string {
  return `step ${state.step}: loss is ${result.trainLoss}, gradient norm ` +
    `${result.gradNorm}`;
}

/** Says where a failure of device or data leaves the run. */
export function explain(
  error: unknown,
  { step, lastSaved }: { step: number; lastSaved: string | null },
): unknown {
  if (!(error instanceof UserError)) return error; // a mistake of ours
  const { message, hint, exitCode } = error;
  const saved = lastSaved === null
    ? "this process has saved no checkpoint"
    : `the last checkpoint is ${lastSaved}`;
  return new UserError(`Stopped after step ${step}: ${message}`, {
    hint: `${hint}; ${saved}`,
    exitCode,
    cause: error,
  });
}

/**
 * The error of a run whose steps stay without numbers.
 *
 * @param lastSound The last checkpoint that is known to hold numbers.
 */
export function tooManySkipped(
  state: TrainerState,
  result: StepResult,
  lastSound: string | null,
): UserError {
  return new UserError(
    `Stopped at ${notFinite(state, result)}, not finite for ` +
      `${state.skippedInRow} steps in a row`,
    { hint: gentler(lastSound) },
  );
}

/**
 * The error of a run that comes to its end with a model of no use.
 *
 * @param lastSound The last checkpoint that is known to hold numbers.
 */
export function lost(
  { step }: TrainerState,
  valLoss: number,
  lastSound: string | null,
): UserError {
  return new UserError(
    `Stopped at step ${step}: the validation loss is ${valLoss}, so the model ` +
      "is of no use",
    { hint: gentler(lastSound) },
  );
}

/** What a person may see in a text: a twentieth more of perplexity. */
export const WORSE_NATS = 0.05;

/**
 * The warning of a run that ends with a model worse than it began with.
 *
 * @param valLoss Of the last step; null if it was not evaluated.
 */
export function worseThanUntrained(
  { step, bestStep, bestValLoss }: TrainerState,
  valLoss: number | null,
): string | null {
  if (valLoss === null || bestValLoss === null) return null;
  if (bestStep !== 0 || step === 0) return null;
  if (valLoss <= bestValLoss + WORSE_NATS) return null;
  return "The model is worse than before its training: the validation loss " +
    `was ${bestValLoss.toFixed(4)} and is ${valLoss.toFixed(4)}; train again ` +
    "with a smaller lr, or a longer warmupSteps";
}

function gentler(lastSound: string | null): string {
  const again = lastSound === null
    ? "train again"
    : `resume from checkpoint ${lastSound}`;
  return `${again} with a smaller lr, or a longer warmupSteps`;
}
