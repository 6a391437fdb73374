/**
 * An open training run: data, tokenizer, device and the state of training.
 *
 * open_session.ts opens what it needs, assemble_session.ts puts the parameters
 * on the device, and loop.ts does the training.
 *
 * @module
 */

import type { DeviceInfo, Executable } from "../backend/backend.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Lora } from "../model/lora.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { BatchFeed } from "./batch_feed.ts";
import type { Snapshot, SnapshotSource } from "./snapshot.ts";
import type { TrainerState } from "./trainer_state.ts";

// For run/, which stands on this layer and on none of those below it.
export type { DeviceInfo } from "../backend/backend.ts";
export type { Lora } from "../model/lora.ts";
export type { DatasetIdentity } from "../data/fingerprint.ts";
export type { ResumePlan } from "./restored_state.ts";
export type { Snapshot, SnapshotSource } from "./snapshot.ts";

/** A run that is ready to train. */
export interface Session {
  readonly config: HearthConfig;
  readonly model: ModelConfig;
  /** What is trained in place of the model's weights; null: nothing is. */
  readonly lora: Lora | null;
  readonly device: DeviceInfo;
  readonly dataset: Dataset;
  /** The dataset's training batches. */
  readonly feed: BatchFeed;
  readonly tokenizer: Tokenizer;
  /** The program of step_program.ts, with its memory. */
  readonly executable: Executable;
  /** Steps at which the run ends; `state.totalSteps`. */
  readonly totalSteps: number;
  /** Optimizer steps per pass over the training data, with fraction. */
  readonly stepsPerEpoch: number;
  /** Passes over the training data when the run ends, with fraction. */
  readonly epochs: number;
  /** Numbers of the whole model. */
  readonly parameterCount: number;
  /** Those that training changes. */
  readonly trainableCount: number;
  /** Device memory of parameters, optimizer, gradients and activations. */
  readonly memoryBytes: number;
  /** Size on disk of the tensors of one checkpoint. */
  readonly checkpointBytes: number;
  /** What the user should know; `train` repeats them as events. */
  readonly warnings: readonly string[];
  /** How it came to its device and settings, and how a resumed run goes on. */
  readonly notes: readonly string[];
  /** Moved on by every step. */
  readonly state: TrainerState;
  /** Copies everything that a resume needs from the device. */
  snapshot(): Promise<Snapshot>;
  /** The same, to be written before the next step: it copies when read. */
  snapshotSource(): SnapshotSource;
  /** Frees device and data. */
  dispose(): Promise<void>;
}
