/**
 * Everything besides tensors that a bit-exact resume needs: `trainer.json`.
 *
 * Whatever the loop decides follows from these counters and the
 * configuration alone, so a resumed run takes the same decisions as one that
 * was never interrupted.
 *
 * @module
 */

import { z } from "zod";
import type { KernelChoices } from "../backend/backend.ts";
import { UserError } from "../base/errors.ts";
import { LR_POLICIES } from "./lr_policies.ts";
import type { LrCurve } from "./schedule.ts";

/** The position of a training run. */
export interface TrainerState {
  /** Format of this file. */
  version: 1;
  /** Optimizer steps done, skipped ones included; what the schedule sees. */
  step: number;
  /** Micro-steps done: the counter of dropout. */
  microStep: number;
  /** Next training batch: the argument of `Batches.at`. */
  cursor: number;
  /** Sequences that `cursor` counts in: the setting of the last session. */
  batchSize: number;
  /** Micro-steps that `totalSteps` counts in: likewise. */
  gradAccumSteps: number;
  /** Steps at which the run ends. */
  totalSteps: number;
  /** How the learning rate goes on since the end was moved, if it was. */
  lrCurve: LrCurve | null;
  /** Training tokens seen, of all sessions. */
  tokens: number;
  /** Training time of all sessions. */
  elapsedMs: number;
  /** Step of the last evaluation: it is neither repeated nor left out. */
  evalStep: number | null;
  /** Step of the last checkpoint, written or tried: likewise. */
  saveStep: number | null;
  /** Lowest validation loss so far, nats per token; null before the first. */
  bestValLoss: number | null;
  /** Where that was. */
  bestStep: number | null;
  /** Evaluations since the last best, for early stopping. */
  evalsSinceBest: number;
  /** Steps in a row that were skipped, as loss or gradient was not finite. */
  skippedInRow: number;
  /** The same of the whole run: AdamW's t is `step - skippedTotal`. */
  skippedTotal: number;
  /**
   * What a batch of an evaluation costs, in micro-steps: the ETA of a resumed
   * run goes by it until it has measured its own.
   */
  evalBatchCost: number | null;
  /** What a checkpoint costs, likewise. */
  checkpointMs: number | null;
  /** Which kernels computed: same bits only with the same kernels. */
  kernels: string;
  /** Which of several, where the device had a choice; null where not. */
  kernelChoices: KernelChoices | null;
}

/** The state of a run before its first step. */
export function initialState(
  { totalSteps, kernels, batchSize = 1, gradAccumSteps = 1 }:
    & Pick<TrainerState, "totalSteps" | "kernels">
    & Partial<Pick<TrainerState, "batchSize" | "gradAccumSteps">>,
): TrainerState {
  return {
    version: 1,
    step: 0,
    microStep: 0,
    cursor: 0,
    batchSize,
    gradAccumSteps,
    totalSteps,
    lrCurve: null,
    tokens: 0,
    elapsedMs: 0,
    evalStep: null,
    saveStep: null,
    bestValLoss: null,
    bestStep: null,
    evalsSinceBest: 0,
    skippedInRow: 0,
    skippedTotal: 0,
    evalBatchCost: null,
    checkpointMs: null,
    kernels,
    kernelChoices: null,
  };
}

const count = z.int().min(0);
const counted = z.int().min(1);
const measured = z.number();

/** Fields that older versions did not write may be missing. */
const stateSchema = z.looseObject({
  version: z.literal(1),
  step: count,
  microStep: count,
  cursor: count,
  batchSize: counted,
  gradAccumSteps: counted,
  totalSteps: count, // 0 of a model that was imported
  lrCurve: z.object({
    policy: z.enum(LR_POLICIES),
    warmup: z.object({ from: count, fromLr: measured, steps: count })
      .nullable(),
    decay: z.object({ from: count, done: measured.min(0).max(1) }).nullable(),
    hold: measured.nullable(),
  }).nullable(),
  tokens: count,
  elapsedMs: measured.min(0),
  evalStep: count.nullable(),
  saveStep: count.nullable(),
  bestValLoss: measured.nullable(),
  bestStep: count.nullable(),
  evalsSinceBest: count,
  skippedInRow: count,
  skippedTotal: count,
  evalBatchCost: measured.min(0).nullable(),
  checkpointMs: measured.min(0).nullable(),
  kernels: z.string(),
  kernelChoices: z.record(z.string(), z.string()).nullable(),
}).partial().required({ version: true, step: true, totalSteps: true });

/**
 * The state in a `trainer.json`, which need not be one of this program's.
 *
 * @throws {UserError} Naming the first field that is not what it should be.
 */
export function checkTrainerState(value: unknown): TrainerState {
  const { success, error } = stateSchema.safeParse(value);
  if (success) return value as TrainerState;
  const [{ path, message }] = error.issues;
  const where = path.length > 0 ? `${path.join(".")}: ` : "";
  throw new UserError(`Cannot use trainer.json: ${where}${message}`, {
    hint: "resume from another checkpoint of this run",
  });
}
