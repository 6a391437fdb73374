/**
 * A learning rate curve in a few points, to be shown before a run goes on.
 *
 * @module
 */

import {
  decayStart,
  learningRate,
  type LrSchedule,
  warmup,
} from "./schedule.ts";

/** The learning rate of one step. */
export interface LrPoint {
  /** Counted from 1, as steps are in metrics and on the screen. */
  step: number;
  /** The learning rate of that step. */
  lr: number;
}

/**
 * The rates of the steps that remain: the first, the top of a warm-up, the
 * beginning and the middle of the decay, the last.
 *
 * @param fromStep Steps done.
 * @returns One to five points; none if no step remains.
 */
export function lrPoints(fromStep: number, schedule: LrSchedule): LrPoint[] {
  const { totalSteps, curve } = schedule;
  const last = totalSteps - 1;
  if (last < fromStep) return [];
  const { from, steps } = warmup(schedule);
  const usual = Math.max(fromStep, curve?.decay?.from ?? decayStart(schedule));
  const turns = typeof curve?.hold === "number"
    ? []
    : schedule.schedule === "constant"
    ? [from + steps]
    : [from + steps, usual, (usual + last) / 2];
  const shown = [fromStep, ...turns.map(Math.round), last]
    .filter((step) => step >= fromStep && step <= last);
  return [...new Set(shown)].sort((a, b) => a - b)
    .map((step) => ({ step: step + 1, lr: learningRate(step, schedule) }))
    .filter(({ lr }, i, all) =>
      i === 0 || i === all.length - 1 ||
      lr !== all[i - 1].lr || lr !== all[i + 1].lr
    );
}
