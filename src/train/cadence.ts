/**
 * When a run evaluates and saves, and how much of that is still to come.
 *
 * Everything follows from the state's counters and the configuration, so an
 * interrupted run keeps the rhythm of an uninterrupted one. Pure.
 *
 * @module
 */

import type { RemainingWork } from "./eta.ts";
import type { TrainerState } from "./trainer_state.ts";

/** The settings that make the rhythm. */
export interface Cadence {
  /** Steps between evaluations; 0: only at the end. */
  evalEvery: number;
  /** Steps between checkpoints; 0: only at the end. */
  checkpointEvery: number;
  /** Also save when the validation loss is the best so far. */
  saveBest: boolean;
}

/** An evaluation belongs to this step and has not been made yet. */
export function evaluationDue(
  state: TrainerState,
  { evalEvery }: Cadence,
): boolean {
  if (state.evalStep === state.step) return false;
  return state.step === state.totalSteps || isMultiple(state.step, evalEvery);
}

/** A checkpoint belongs to this step and has not been tried yet. */
export function checkpointDue(
  state: TrainerState,
  cadence: Cadence,
): boolean {
  if (state.saveStep === state.step) return false;
  return state.step === state.totalSteps || isPeriodic(state, cadence);
}

/** This step is one of every `checkpointEvery`. */
export function isPeriodic(
  { step }: TrainerState,
  { checkpointEvery }: Cadence,
): boolean {
  return step > 0 && isMultiple(step, checkpointEvery);
}

/** Steps until one that is evaluated or saved after, or is the last. */
export function stepsUntilDue(
  { step, totalSteps }: TrainerState,
  { evalEvery, checkpointEvery }: Cadence,
): number {
  const untilMultiple = (every: number) =>
    every > 0 ? every - step % every : Infinity;
  return Math.min(
    totalSteps - step,
    untilMultiple(evalEvery),
    untilMultiple(checkpointEvery),
  );
}

/**
 * What remains after `state`. How many evaluations will be a new best and be
 * saved is a guess: all of them while the last was, fewer the longer the last
 * best is ago.
 */
export function remainingWork(
  state: TrainerState,
  cadence: Cadence,
): RemainingWork {
  const { step, totalSteps } = state;
  const { evalEvery, checkpointEvery, saveBest } = cadence;
  const bestShare = saveBest ? 1 / (1 + state.evalsSinceBest) : 0;

  // 1. At this step.
  const evaluates = evaluationDue(state, cadence);
  const isBest = saveBest && state.bestStep === step;
  const saves = checkpointDue(state, cadence)
    ? 1
    : state.saveStep === step || step === 0
    ? 0
    : evaluates
    ? bestShare
    : Number(isBest);

  // 2. Between this and the last step, which has its own of each.
  const ahead = (every: number) => multiplesBetween(step, totalSteps, every);
  const both = ahead(leastCommonMultiple(evalEvery, checkpointEvery));
  const last = Number(step < totalSteps);
  return {
    steps: totalSteps - step,
    evaluations: Number(evaluates) + ahead(evalEvery) + last,
    checkpoints: saves + ahead(checkpointEvery) + last +
      bestShare * (ahead(evalEvery) - both),
  };
}

/** `every` 0 has no multiples. */
function isMultiple(n: number, every: number): boolean {
  return every > 0 && n % every === 0;
}

/** How many multiples of `every` lie strictly between two integers. */
function multiplesBetween(from: number, to: number, every: number): number {
  if (every === 0 || to <= from) return 0;
  return Math.floor((to - 1) / every) - Math.floor(from / every);
}

/** 0 when one of them is 0. */
function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return x === 0 ? 0 : a / x * b;
}
