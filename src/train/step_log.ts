/**
 * What the device notes of its steps until the host looks: a row per step.
 *
 * A look waits for the device, which then has nothing to do until the next
 * step reaches it. So the device keeps the numbers of several steps, skips
 * those that are not finite by itself, and counts the others, as AdamW's bias
 * correction depends on how many there were. The host writes the rates of all
 * these steps ahead, computed in f64: the same bits whenever it looks.
 *
 * @module
 */

import type { TrainSection } from "../config/hearth_config.ts";
import { learningRate, lrSchedule } from "./schedule.ts";
import type { TrainerState } from "./trainer_state.ts";

/** Most steps between two looks: a quarter of a second of the fastest. */
export const LOG_ROWS = 256;

/** What came out of a step. */
export interface StepResult {
  /** Mean nats per token of the step's batches, before the update. */
  trainLoss: number;
  /** Global norm of the gradients before clipping. */
  gradNorm: number;
  lr: number;
  /** The device left the parameters alone, because the norm is not finite. */
  skipped: boolean;
}

/**
 * The input `schedule` for the `count` steps after `state`, f32
 * (LOG_ROWS, 3): of row i the learning rate of the i-th step, and the bias
 * corrections of the i-th update, which is that step if none is skipped.
 */
export function stepRates(
  train: TrainSection,
  state: TrainerState,
  count: number,
): Float32Array {
  const schedule = lrSchedule(train, state);
  const updates = state.step - state.skippedTotal;
  const rates = new Float32Array(3 * LOG_ROWS);
  for (let i = 0; i < count; i++) {
    const t = updates + i + 1; // AdamW counts from 1
    const lr = learningRate(state.step + i, schedule);
    rates.set([lr, 1 - train.beta1 ** t, 1 - train.beta2 ** t], 3 * i);
  }
  return rates;
}

/**
 * The first `count` rows of the output `log`, f32 (LOG_ROWS, 4).
 *
 * @param state Before these steps.
 */
export function readLog(
  log: ArrayLike<number>,
  { train, state, count }: {
    train: TrainSection;
    state: TrainerState;
    count: number;
  },
): StepResult[] {
  const schedule = lrSchedule(train, state);
  return Array.from({ length: count }, (_, i) => ({
    trainLoss: log[4 * i],
    gradNorm: log[4 * i + 1],
    lr: learningRate(state.step + i, schedule),
    skipped: log[4 * i + 2] === 0,
  }));
}
