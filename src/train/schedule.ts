/**
 * The learning rate of a step: linear warm-up, then a schedule. Pure.
 *
 * Warm-up and `cosine` are nanoGPT's `get_lr` (train.py), whose first step
 * already has a rate above zero. `wsd` is warm-up, stable, decay: Hu et al.
 * 2024, https://arxiv.org/abs/2404.06395, with a linear decay. What becomes of
 * it when the end of a run is moved is decided in move_end.ts.
 *
 * @module
 */

import type { TrainSection } from "../config/hearth_config.ts";
import type { LrPolicy } from "./lr_policies.ts";

/** How the rate goes on since the end was moved; part of `trainer.json`. */
export interface LrCurve {
  /** What the person chose when the end was moved. */
  policy: LrPolicy;
  /** Another warm-up than the configured one, from this step and rate. */
  warmup: { from: number; fromLr: number; steps: number } | null;
  /** This part of the decay, 0 to 1, was over at this step. */
  decay: { from: number; done: number } | null;
  /** The rate, whatever the schedule. */
  hold: number | null;
}

/** What shapes the learning rate over a run. */
export interface LrSchedule {
  /** Peak rate, reached when the warm-up is over. */
  lr: number;
  /** Rate at `totalSteps` and after; `constant` never gets there. */
  minLr: number;
  /** Steps of linear warm-up. */
  warmupSteps: number;
  /** Steps at which the decay is complete. */
  totalSteps: number;
  schedule: TrainSection["schedule"];
  /** Part of `totalSteps`, at the end, in which `wsd` decays. */
  decayFraction: number;
  /** Where the end was moved: how the rate goes on from there. */
  curve?: LrCurve | null;
}

/** The schedule of a configured run; `minLr` is a tenth of `lr` if not set. */
export function lrSchedule(
  train: TrainSection,
  { totalSteps, lrCurve: curve }: {
    totalSteps: number;
    lrCurve: LrCurve | null;
  },
): LrSchedule {
  return { ...train, minLr: train.minLr ?? train.lr / 10, totalSteps, curve };
}

/**
 * The settings of a new run of that many steps: its warm-up, which may be too
 * long for them, as long as `warmupFraction` lets it be.
 */
export function settleWarmup(
  { warmupFraction, ...train }: TrainSection,
  totalSteps: number,
): TrainSection {
  if (warmupFraction === undefined) return train;
  // At least one, but the last step is to have the whole rate.
  const part = Math.max(1, Math.floor(totalSteps * warmupFraction));
  const most = Math.max(0, Math.min(part, totalSteps - 1));
  return { ...train, warmupSteps: Math.min(train.warmupSteps, most) };
}

/** Learning rate of optimizer step `step`, counted from 0. */
export function learningRate(step: number, schedule: LrSchedule): number {
  const { lr, minLr, totalSteps, curve } = schedule;
  if (typeof curve?.hold === "number") return curve.hold;
  const { from, fromLr, steps } = warmup(schedule);
  if (step < from + steps) {
    return fromLr + (lr - fromLr) * (step - from + 1) / (steps + 1);
  }
  if (schedule.schedule === "constant") return lr;
  const done = decayDone(step, schedule);
  if (step >= totalSteps || done === 1) return minLr; // without rounding
  return schedule.schedule === "cosine"
    ? minLr + 0.5 * (1 + Math.cos(Math.PI * done)) * (lr - minLr)
    : lr + (minLr - lr) * done;
}

/** The part of the decay that is over when `step` begins, 0 to 1. */
export function decayDone(step: number, schedule: LrSchedule): number {
  const { totalSteps, curve } = schedule;
  if (schedule.schedule === "constant") return 0;
  const { from, done } = curve?.decay ??
    { from: decayStart(schedule), done: 0 };
  if (step <= from) return done;
  if (step >= totalSteps) return 1;
  return done + (1 - done) * (step - from) / (totalSteps - from);
}

/** The step at which the decay begins, unless the curve says otherwise. */
export function decayStart(schedule: LrSchedule): number {
  const { totalSteps, decayFraction } = schedule;
  const { from, steps } = warmup(schedule);
  if (schedule.schedule !== "wsd") return from + steps;
  return Math.max(
    from + steps,
    from + (totalSteps - from) * (1 - decayFraction),
  );
}

/** The last warm-up: `steps` of them from step `from` and rate `fromLr`. */
export function warmup(
  { warmupSteps, curve }: LrSchedule,
): { from: number; fromLr: number; steps: number } {
  return curve?.warmup ?? { from: 0, fromLr: 0, steps: warmupSteps };
}
