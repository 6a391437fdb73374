/**
 * Puts a session together: compiles the step program, and writes the
 * parameters, new or restored, to the device.
 *
 * @module
 */

import type { Backend, Executable } from "../backend/backend.ts";
import { EXIT, UserError } from "../base/errors.ts";
import { countOf, formatCount } from "../base/format.ts";
import { release } from "../base/release.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
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
  type BaseRef,
  openBaseModel,
  tokenIds,
  withSizesOf,
} from "./base_model.ts";
import { BatchFeed } from "./batch_feed.ts";
import { compileSteps } from "./compile_steps.ts";
import { restoreState, type ResumePlan } from "./restored_state.ts";
import { lrSchedule, settleWarmup, warmup } from "./schedule.ts";
import type { Session } from "./session.ts";
import {
  deviceTensors,
  readTensors,
  type SnapshotSource,
  tensorBytes,
  writeModel,
  writeTensors,
} from "./snapshot.ts";
import { batchPositions } from "./step_program.ts";
import { initialState, type TrainerState } from "./trainer_state.ts";

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
 * Puts open parts together and writes the parameters to the device.
 *
 * @throws {UserError} If there is not enough data for a batch, the device has
 * not enough memory, or `restore` does not fit the configuration.
 */
export async function assembleSession(parts: SessionParts): Promise<Session> {
  const { dataset, tokenizer, backend, restore, base } = parts;
  const { device } = backend;
  await using opened = new AsyncDisposableStack();
  opened.defer(() => dataset.close());
  opened.defer(() => backend.dispose());
  checkEnoughData(parts.config, dataset);

  // 1. The program, and its memory.
  const { model, lora, baseRef } = modelOf(parts);
  const sameKernels = restore?.trainer.kernels === device.kernels;
  const kernelNotes: string[] = [];
  const { program, executable, kernelChoices } = await compileSteps(
    backend,
    model,
    { ...parts.config.train, lora },
    {
      tune: parts.config.tune,
      onNote: (note) => void kernelNotes.push(note),
      recorded: sameKernels
        ? restore?.trainer.kernelChoices ?? undefined
        : undefined,
    },
  );
  opened.defer(() => executable.dispose());

  // 2. What it computes with.
  await writeParameters(executable, { ...parts, model, lora });
  const positions = { B: parts.config.train.batchSize, T: model.seqLen };
  executable.write("positions", batchPositions(positions));

  // 3. Where the run stands.
  const { config, state, notes } = startingPoint(parts);
  state.kernels = device.kernels;
  state.kernelChoices = kernelChoices;
  const warnings = [...parts.warnings ?? [], ...lrWarnings(config, state)];
  if (restore && !sameKernels) {
    warnings.push(
      "The kernels are not those of the checkpoint, so the numbers may " +
        `differ in their last bits: "${device.kernels}" now, ` +
        `"${restore.trainer.kernels}" then`,
    );
  }

  const { modelConfig } = restore ?? base ?? {};
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
  const batches = dataset.train;
  const { batchSize, gradAccumSteps, prefetchBatches } = config.train;
  const { step, totalSteps } = state;
  const cursorAtEnd = state.cursor + (totalSteps - step) * gradAccumSteps;
  const trainable = trainableCount(model, lora);
  const feed = new BatchFeed(batches, { ahead: prefetchBatches, batchSize });
  opened.defer(() => feed.end());
  const cleanup = opened.move();
  return {
    config,
    model,
    lora,
    device,
    dataset,
    feed,
    tokenizer,
    executable,
    totalSteps,
    stepsPerEpoch: batches.batchesPerEpoch / gradAccumSteps,
    epochs: cursorAtEnd / batches.batchesPerEpoch,
    parameterCount: parameterCount(model),
    trainableCount: trainable,
    memoryBytes: (backend.memoryOf?.(program) ?? programMemory(program)).total,
    checkpointBytes: tensorBytes(trainable),
    warnings,
    notes: [...parts.notes ?? [], ...kernelNotes, ...notes],
    state,
    snapshotSource,
    snapshot: async () => {
      const source = snapshotSource();
      return { ...source, ...await readTensors(source) };
    },
    dispose: () => cleanup.disposeAsync(),
  };
}

/** What is trained, and the checkpoint that adapters are beside. */
function modelOf(
  { config, tokenizer, restore, base }: SessionParts,
): { model: ModelConfig; lora: Lora | null; baseRef: BaseRef | undefined } {
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
  return { model, lora, baseRef };
}

/** Parameters and optimizer; a new one's moments are 0 as memory is. */
async function writeParameters(
  executable: Executable,
  { model, lora, restore, base, config: { seed } }:
    & Pick<SessionParts, "restore" | "base" | "config">
    & { model: ModelConfig; lora: Lora | null },
): Promise<void> {
  if (restore) return await writeTensors(executable, model, restore, lora);
  if (base) {
    const { tensors } = openBaseModel(base, model.seqLen);
    await writeModel(executable, model, tensors);
  }
  const drawn = lora
    ? eachAdapterParam(model, lora, seed)
    : base
    ? []
    : eachParam(model, seed);
  for (const [name, values] of drawn) {
    executable.write(name, values);
    release(values);
  }
}

/** The state to train on from, and the settings that this settles. */
function startingPoint(
  { config, dataset: { train: batches }, restore, base, plan }: SessionParts,
): { config: HearthConfig; state: TrainerState; notes: string[] } {
  if (restore) {
    const { train } = config;
    const restored = restoreState(restore.trainer, { train, batches, plan });
    return { config, ...restored };
  }
  const { steps, epochs = 1, gradAccumSteps } = config.train;
  const stepsPerEpoch = batches.batchesPerEpoch / gradAccumSteps;
  const totalSteps = steps ?? Math.max(1, Math.round(epochs * stepsPerEpoch));
  const train = settleWarmup(config.train, totalSteps);
  return {
    config: { ...config, train },
    state: initialState({ ...train, totalSteps, kernels: "" }),
    notes: base
      ? [`The parameters are those of ${config.from ?? "a given model"}`]
      : [],
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
