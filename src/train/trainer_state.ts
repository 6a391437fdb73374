/**
 * Everything besides tensors that a bit-exact resume needs: `trainer.json`.
 *
 * @module
 */

/** The position of a training run. */
export interface TrainerState {
  /** Format of this file. */
  version: 1;
  /** Optimizer steps done; also the `t` of AdamW and the schedule. */
  step: number;
  /** Micro-steps done: the counter of dropout. */
  microStep: number;
  /** Next training batch: the argument of `Batches.at`. */
  cursor: number;
  /** Steps at which the run ends. */
  totalSteps: number;
  tokens: number;
  elapsedMs: number;
  bestValLoss: number | null;
  bestStep: number | null;
  /** Evaluations since the last best, for early stopping. */
  evalsSinceBest: number;
  /** Non-finite steps in a row, and in all. */
  skippedInRow: number;
  skippedTotal: number;
  /** Which kernels computed: same bits only with the same kernels. */
  kernels: string;
}
