/**
 * An open training run: data, tokenizer, device and the state of training.
 *
 * {@linkcode openSession} checks the settings, opens everything and puts the
 * parameters, new or restored, on the device; loop.ts does the training.
 *
 * @module
 */

import type { Backend, DeviceInfo, Executable } from "../backend/backend.ts";
import { EXIT, UserError } from "../base/errors.ts";
import { countOf, formatCount } from "../base/format.ts";
import { release } from "../base/release.ts";
import type { HearthConfig } from "../config/schema.ts";
import type { Dataset } from "../data/dataset.ts";
import { programMemory } from "../graph/program_memory.ts";
import { checkVocabulary } from "../model/check_vocabulary.ts";
import { hfConfig } from "../model/huggingface_config.ts";
import { eachAdapterParam, eachParam } from "../model/init.ts";
import { type Lora, resolveLora } from "../model/lora.ts";
import { type ModelConfig, resolveModel } from "../model/model_config.ts";
import { parameterCount, trainableCount } from "../model/model_size.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  type BaseModel,
  openBaseModel,
  tokenIds,
  withSizesOf,
} from "./base_model.ts";
import { BatchFeed } from "./batch_feed.ts";
import { compileSteps } from "./fit_batch.ts";
import { restoreState, type ResumePlan } from "./restored_state.ts";
import { lrSchedule, settleWarmup, warmup } from "./schedule.ts";
import {
  deviceTensors,
  readTensors,
  type Snapshot,
  type SnapshotSource,
  writeModel,
  writeTensors,
} from "./snapshot.ts";
import { batchPositions } from "./step_program.ts";
import { initialState, type TrainerState } from "./trainer_state.ts";

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

/** What a session is put together from; it disposes of what it is given. */
export interface SessionParts {
  config: HearthConfig;
  dataset: Dataset;
  tokenizer: Tokenizer;
  backend: Backend;
  /** Go on from here, in place of new parameters. */
  restore?: SnapshotSource;
  /** A model to begin with, in place of new parameters. */
  base?: BaseModel;
  /** How the restored run differs from one that just goes on. */
  plan?: ResumePlan;
  warnings?: readonly string[];
  /** How it came to its device and settings. */
  notes?: readonly string[];
}

/**
 * Refuses settings that contradict each other, before anything is opened.
 *
 * @throws {UserError} With exit code 2.
 */
export function checkSettings(
  { model, tokenizer, train, lora }: HearthConfig,
): void {
  if (train.epochs !== undefined && train.steps !== undefined) {
    throw new UserError(
      `Cannot train for ${train.epochs} epochs and for ${train.steps} steps: ` +
        "only one of epochs and steps can be set",
      { hint: "leave out --epochs or --steps", exitCode: EXIT.usage },
    );
  }
  // The shape of a model is checked as it is resolved; the size of the
  // vocabulary is not known yet, and makes no difference to that.
  resolveLora(lora, resolveModel(model, tokenizer.vocabSize));
}

/**
 * Puts open parts together and writes the parameters to the device.
 *
 * @throws {UserError} If there is not enough data for a batch, the device has
 * not enough memory, or `restore` does not fit the configuration.
 */
export async function assembleSession(parts: SessionParts): Promise<Session> {
  const { dataset, tokenizer, backend, restore, base } = parts;
  let { config } = parts;
  await using opened = new AsyncDisposableStack();
  opened.defer(() => dataset.close());
  opened.defer(() => backend.dispose());
  checkEnoughData(config, dataset);

  // 1. The program, and its memory.
  const { batchSize, gradAccumSteps } = config.train;
  const resolved = resolveModel(config.model, tokenizer.vocabSize);
  const { modelConfig } = restore ?? base ?? {};
  const model = modelConfig ? withSizesOf(modelConfig, resolved) : resolved;
  checkVocabulary("train this model", { tokenizer, model });
  const lora = resolveLora(config.lora, model);
  const baseRef = restore ? restore.adapter?.base : base?.ref;
  if (restore) checkAdapter(restore, lora);
  if (lora && !baseRef) {
    throw new TypeError("Cannot train adapters beside a model without a name");
  }
  const sameKernels = restore?.trainer.kernels === backend.device.kernels;
  const { program, executable, kernelChoices } = await compileSteps(
    backend,
    model,
    { ...config.train, lora },
    {
      tune: config.tune,
      recorded: sameKernels
        ? restore?.trainer.kernelChoices ?? undefined
        : undefined,
    },
  );
  opened.defer(() => executable.dispose());

  // 2. Parameters and optimizer; a new one's moments are 0 as memory is.
  if (restore) {
    await writeTensors(executable, model, restore, lora);
  } else if (base) {
    const { tensors } = openBaseModel(base, model.seqLen);
    await writeModel(executable, model, tensors);
  }
  if (!restore) {
    const starts = lora
      ? eachAdapterParam(model, lora, config.seed)
      : base
      ? []
      : eachParam(model, config.seed);
    for (const [name, values] of starts) {
      executable.write(name, values);
      release(values);
    }
  }
  const positions = batchPositions({ B: batchSize, T: model.seqLen });
  executable.write("positions", positions);

  // 3. Where the run stands.
  const { device } = backend;
  const batches = dataset.train;
  const stepsPerEpoch = batches.batchesPerEpoch / gradAccumSteps;
  if (!restore) {
    const totalSteps = newLength(config, stepsPerEpoch);
    config = { ...config, train: settleWarmup(config.train, totalSteps) };
  }
  const { train } = config;
  const { state, notes } = restore
    ? restoreState(restore.trainer, { train, batches, plan: parts.plan })
    : { state: newState(config, stepsPerEpoch), notes: [] };
  if (base && !restore) {
    notes.push(`The parameters are those of ${config.from ?? "a given model"}`);
  }
  state.kernels = device.kernels;
  state.kernelChoices = kernelChoices;
  const { step, totalSteps } = state;
  const warnings = [...parts.warnings ?? [], ...lrWarnings(config, state)];
  if (restore && restore.trainer.kernels !== device.kernels) {
    warnings.push(
      "The kernels are not those of the checkpoint, so the numbers may " +
        `differ in their last bits: "${device.kernels}" now, ` +
        `"${restore.trainer.kernels}" then`,
    );
  }

  const snapshotSource = (): SnapshotSource => ({
    ...deviceTensors(executable, model, lora),
    ...lora && baseRef && { adapter: { lora, base: baseRef } },
    trainer: { ...state },
    modelConfig: {
      ...hfConfig(model, { endOfText: tokenizer.endOfText }),
      ...modelConfig && tokenIds(modelConfig),
    },
    tokenizerJson: tokenizer.json,
  });
  const trainable = trainableCount(model, lora);
  const cleanup = opened.move();
  return {
    config,
    model,
    lora,
    device,
    dataset,
    feed: new BatchFeed(batches, { ahead: train.prefetchBatches }),
    tokenizer,
    executable,
    totalSteps,
    stepsPerEpoch,
    epochs: (state.cursor + (totalSteps - step) * gradAccumSteps) /
      batches.batchesPerEpoch,
    parameterCount: parameterCount(model),
    trainableCount: trainable,
    memoryBytes: (backend.memoryOf?.(program) ?? programMemory(program)).total,
    checkpointBytes: 3 * 4 * trainable, // f32: parameter, m and v
    warnings,
    notes: [...parts.notes ?? [], ...notes],
    state,
    snapshotSource,
    snapshot: async () => {
      const source = snapshotSource();
      return { ...source, ...await readTensors(source) };
    },
    dispose: () => cleanup.disposeAsync(),
  };
}

/** The adapters of a checkpoint are those that the settings describe. */
function checkAdapter({ adapter }: SnapshotSource, lora: Lora | null): void {
  const saved = adapter?.lora ?? null;
  const shape = (one: Lora | null) =>
    one === null
      ? "no adapters"
      : `adapters of rank ${one.rank}, alpha ${one.alpha} for ` +
        one.targets.join(", ");
  if (shape(saved) === shape(lora)) return;
  throw new UserError(
    `Cannot resume: the checkpoint has ${shape(saved)}, the settings of the ` +
      `run say ${shape(lora)}`,
    { hint: "put back config.lora in the run's meta.json" },
  );
}

/** The state of a new run. */
function newState(
  config: HearthConfig,
  stepsPerEpoch: number,
): TrainerState {
  const totalSteps = newLength(config, stepsPerEpoch);
  return initialState({ ...config.train, totalSteps, kernels: "" });
}

/** Steps of a new run: `steps`, or as many as `epochs` take. */
function newLength(
  { train: { steps, epochs = 1 } }: HearthConfig,
  stepsPerEpoch: number,
): number {
  return steps ?? Math.max(1, Math.round(epochs * stepsPerEpoch));
}

/** Warns of a warm-up that the run does not see the end of. */
function lrWarnings({ train }: HearthConfig, state: TrainerState): string[] {
  const { step, totalSteps, lrCurve } = state;
  const { from, steps } = warmup(lrSchedule(train, state));
  const isLost = from + steps >= totalSteps && totalSteps > step;
  if (!isLost || typeof lrCurve?.hold === "number") return [];
  return [
    `The warm-up takes ${countOf(steps, "step")} and the run has ` +
    `${formatCount(totalSteps - from)}, ` +
    `so the learning rate does not reach ${train.lr}: train for more epochs, ` +
    `or lower warmupSteps`,
  ];
}

/** The data layer says which file is too short; this guards the loop. */
function checkEnoughData(config: HearthConfig, dataset: Dataset): void {
  const { batchSize } = config.train, { seqLen } = config.model;
  const val = { windows: 0, tokens: 0 };
  for (const { batches } of dataset.val) {
    val.windows += batches.windows;
    val.tokens += batches.tokens;
  }
  for (const [name, side] of Object.entries({ train: dataset.train, val })) {
    const windows = name === "train" ? batchSize : 1;
    if (side.windows >= windows) continue;
    throw new UserError(
      `Cannot make one batch of the ${name} data: it has ` +
        `${side.tokens} tokens, a batch needs ${windows * seqLen + 1}`,
      {
        hint: "use more text, or a smaller --seq-len or --batch-size",
        exitCode: EXIT.usage,
      },
    );
  }
}
