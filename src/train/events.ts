/**
 * What the training loop says: the one stream that console, log files,
 * dashboard and background process read.
 *
 * Losses are mean nats per token, times are milliseconds.
 *
 * @module
 */

import type { SourceLoss } from "./evaluate.ts";

/** Where a run stands; repeated in every event that a display needs. */
export interface Progress {
  /** Optimizer steps done. */
  step: number;
  /** Steps at which the run ends. */
  totalSteps: number;
  /** Passes over the data begun so far, counted from 0, with fraction. */
  epoch: number;
  /** The same at the end of the run. */
  epochs: number;
  /** Training tokens seen, of all sessions of the run. */
  tokens: number;
  /** Training time of all sessions. */
  elapsedMs: number;
  /** Time to the end, or null while there is too little history. */
  remainingMs: number | null;
}

/** Where the run stood at an event, without what happened then. */
export function progressOf(
  { step, totalSteps, epoch, epochs, tokens, elapsedMs, remainingMs }: Progress,
): Progress {
  return { step, totalSteps, epoch, epochs, tokens, elapsedMs, remainingMs };
}

/** Something that the loop did. */
export type TrainEvent =
  & Progress
  & (
    | { kind: "start" }
    | {
      kind: "step";
      trainLoss: number;
      gradNorm: number;
      lr: number;
      /** Wall time of the step. */
      dtMs: number;
      /** Of the recent steps. */
      tokensPerSec: number;
      /** The update was skipped, because loss or gradient is not finite. */
      skipped: boolean;
      /** This is one of every `logEvery` steps, or the last. */
      log: boolean;
    }
    | {
      kind: "eval";
      valLoss: number;
      /** Bits per UTF-8 byte. */
      valBpb: number;
      bestValLoss: number;
      best: boolean;
      /** Each source by itself, where there is more than one. */
      sources: readonly SourceLoss[];
      dtMs: number;
    }
    | {
      kind: "checkpoint";
      /** The name of its directory, such as `step-00000500`. */
      name: string;
      best: boolean;
      sizeBytes: number;
      dtMs: number;
    }
    | {
      kind: "warning";
      message: string;
      /** The matter was warned of before, in these words, and goes on. */
      replaces?: string;
    }
    | {
      kind: "done";
      reason: "finished" | "stopped" | "earlyStop";
    }
  );
