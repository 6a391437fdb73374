/**
 * The learning rate of a step: linear warm-up, then a schedule. Pure.
 *
 * Warm-up and `cosine` are nanoGPT's `get_lr` (train.py), whose first step
 * already has a rate above zero. `wsd` is warm-up, stable, decay: Hu et al.
 * 2024, https://arxiv.org/abs/2404.06395, with a linear decay.
 *
 * @module
 */

import type { TrainSection } from "../config/schema.ts";

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
}

/** The schedule of a configured run; `minLr` is a tenth of `lr` if not set. */
export function lrSchedule(
  train: TrainSection,
  totalSteps: number,
): LrSchedule {
  return { ...train, minLr: train.minLr ?? train.lr / 10, totalSteps };
}

/** Learning rate of optimizer step `step`, counted from 0. */
export function learningRate(step: number, schedule: LrSchedule): number {
  const { lr, minLr, warmupSteps, totalSteps } = schedule;
  if (step < warmupSteps) return lr * (step + 1) / (warmupSteps + 1);
  if (schedule.schedule === "constant") return lr;
  if (step >= totalSteps) return minLr;

  // From here warmupSteps <= step < totalSteps, so no divisor is zero.
  switch (schedule.schedule) {
    case "cosine": {
      const done = (step - warmupSteps) / (totalSteps - warmupSteps);
      return minLr + 0.5 * (1 + Math.cos(Math.PI * done)) * (lr - minLr);
    }
    case "linear": {
      const done = (step - warmupSteps) / (totalSteps - warmupSteps);
      return lr + (minLr - lr) * done;
    }
    case "wsd": {
      const decayStart = Math.max(
        warmupSteps,
        totalSteps * (1 - schedule.decayFraction),
      );
      if (step <= decayStart) return lr;
      const done = (step - decayStart) / (totalSteps - decayStart);
      return lr + (minLr - lr) * done;
    }
  }
}
