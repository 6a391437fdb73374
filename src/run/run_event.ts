/**
 * What a run says: the loop's events, framed by what the loop cannot know.
 *
 * @module
 */

import type { ConfigChange } from "../config/config_change.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import type { TrainEvent } from "../train/events.ts";
import type { LrPoint } from "../train/lr_points.ts";
import type { LrPolicy } from "../train/lr_policies.ts";
import type { DeviceInfo, Lora } from "../train/session.ts";

/** The run has its name; preparing data and device comes next. */
export interface RunCreated {
  /** Comes once, first, of a new run. */
  kind: "created";
  /** Its id: what every command takes. */
  runId: string;
  /** Its directory. */
  dir: string;
}

/** Data and device are ready; training comes next. */
export interface RunOpened {
  /** Comes once, before the first event of training. */
  kind: "opened";
  /** Its id. */
  runId: string;
  /** Its directory. */
  dir: string;
  /** The settings in force, with what was left to Hearth filled in. */
  config: HearthConfig;
  /** What it trains on. */
  device: DeviceInfo;
  /** Numbers of the whole model. */
  parameterCount: number;
  /** Those that training changes. */
  trainableCount: number;
  /** Adapters that are trained in place of the model's weights, or null. */
  lora: Lora | null;
  /** Steps at which the run ends. */
  totalSteps: number;
  /** Optimizer steps per pass over the training data, with fraction. */
  stepsPerEpoch: number;
  /** Passes over the training data when the run ends, with fraction. */
  epochs: number;
  /** Device memory of parameters, optimizer, gradients and activations. */
  memoryBytes: number;
  /** Size on disk of the tensors of one checkpoint. */
  checkpointBytes: number;
  /** Tokens of the training text, of all sources. */
  trainTokens: number;
  /** Tokens of the validation text. */
  valTokens: number;
  /** Where a resumed run goes on; null for a new one. */
  resumedFrom: { checkpoint: string; step: number } | null;
  /** The end of the run was moved by this resume. */
  isExtended: boolean;
  /** Settings that are others than before this resume. */
  changes: ConfigChange[];
  /** What else the person should know of how the run goes on. */
  notes: string[];
  /** The learning rate of the steps that remain. */
  lrPlan: {
    schedule: HearthConfig["train"]["schedule"];
    /** Since the end was moved; null if it never was. */
    policy: LrPolicy | null;
    points: LrPoint[];
  };
  /** Best validation loss so far, of earlier sessions. */
  bestValLoss: number | null;
}

/** Everything is on disk and freed; the last event. */
export interface RunClosed {
  /** Comes once, last. */
  kind: "closed";
  /** Its id. */
  runId: string;
  /** `stopped` can be resumed. */
  status: "completed" | "stopped";
  /** Newest checkpoint, or null if none was saved. */
  lastCheckpoint: string | null;
}

/** One event of a run. */
export type RunEvent = RunCreated | RunOpened | TrainEvent | RunClosed;
