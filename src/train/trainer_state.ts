/**
 * Everything besides tensors that a bit-exact resume needs: `trainer.json`.
 *
 * Whatever the loop decides follows from these counters and the
 * configuration alone, so a resumed run takes the same decisions as one that
 * was never interrupted.
 *
 * @module
 */

import type { KernelChoices } from "../backend/backend.ts";
import type { LrCurve } from "./lr_curve.ts";

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
  /** What `cursor` and `totalSteps` count in: settings of the last session. */
  batchSize: number;
  gradAccumSteps: number;
  /** Steps at which the run ends. */
  totalSteps: number;
  /** How the learning rate goes on since the end was moved, if it was. */
  lrCurve: LrCurve | null;
  tokens: number;
  elapsedMs: number;
  /** Step of the last evaluation: it is neither repeated nor left out. */
  evalStep: number | null;
  /** Step of the last checkpoint, written or tried: likewise. */
  saveStep: number | null;
  bestValLoss: number | null;
  bestStep: number | null;
  /** Evaluations since the last best, for early stopping. */
  evalsSinceBest: number;
  /** Non-finite steps in a row, and in all. AdamW's t is step - all. */
  skippedInRow: number;
  skippedTotal: number;
  /**
   * What a batch of an evaluation costs, in micro-steps, and a checkpoint, in
   * milliseconds: the ETA of a resumed run goes by these until it has measured
   * its own.
   */
  evalBatchCost: number | null;
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
