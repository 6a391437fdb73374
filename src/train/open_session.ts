/**
 * From a configuration to a session: opens device, data and tokenizer.
 *
 * @module
 */

import { estimateWork, type StepWork } from "../backend/auto_device.ts";
import type { Backend, DeviceInfo } from "../backend/backend.ts";
import { openBackend } from "../backend/devices.ts";
import type { HearthConfig } from "../config/schema.ts";
import { openDataset } from "../data/open_dataset.ts";
import type { DataProgress } from "../data/progress.ts";
import { programMemory } from "../graph/program_memory.ts";
import { resolveModel } from "../model/model_config.ts";
import { parameterCount } from "../model/model_size.ts";
import { chooseBatchSize, describeBatch } from "./auto_batch.ts";
import {
  assembleSession,
  checkSettings,
  type ResumePlan,
  type Session,
  type Snapshot,
} from "./session.ts";
import { buildStepProgram } from "./step_program.ts";

/** What is done before training, such as tokenizing. */
export interface PrepareProgress {
  stage:
    | "reading data"
    | "training tokenizer"
    | "tokenizing"
    | "preparing model";
  /** Part that is done, 0 to 1; null if unknown. */
  fraction: number | null;
}

/** What to open. */
export interface OpenSessionOptions {
  config: HearthConfig;
  /** Where prepared data is kept. */
  dataDir: string;
  /** Go on from here, in place of new parameters and a new tokenizer. */
  restore?: Snapshot;
  /** How the restored run differs from one that just goes on. */
  plan?: ResumePlan;
  /** Refuse data with another fingerprint. */
  dataFingerprint?: string;
  /** The device that `auto` meant before: the run stays with its kind. */
  previousDevice?: DeviceInfo;
  /** Asks the system for the free memory of a GPU; null if it does not tell. */
  freeGpuMemory?: (device: DeviceInfo) => Promise<number | null>;
  onPrepare?: (progress: PrepareProgress) => void;
  /** Ends the preparation: the promise rejects with its reason. */
  signal?: AbortSignal;
}

const STAGES: Record<DataProgress["phase"], PrepareProgress["stage"]> = {
  read: "reading data",
  tokenizer: "training tokenizer",
  tokenize: "tokenizing",
};

/**
 * Opens all that a run needs; the caller disposes of the session.
 *
 * @throws {UserError} For settings, data, a device or a snapshot that cannot
 * be used; what the user can get wrong is found before anything is written.
 */
export async function openSession(
  options: OpenSessionOptions,
): Promise<Session> {
  const { restore, onPrepare, signal } = options;
  checkSettings(options.config);
  let { config } = options;

  await using opened = new AsyncDisposableStack();

  // 1. The device, before the long work: it may not be what was asked for.
  const { device, threads, gemm, precision, strictDevice: strict } = config;
  const wanted = { device, threads, gemm, precision, strict };
  const { backend, warnings, notes } = await openBackend({
    ...wanted,
    work: workOf(config),
    previous: options.previousDevice?.backend,
  });
  opened.defer(() => backend.dispose());
  const memoryBytes = await freeMemory(backend, options);

  // 2. Data and tokenizer.
  const { dataset, tokenizer } = await openDataset({
    data: config.data,
    tokenizer: config.tokenizer,
    seqLen: config.model.seqLen,
    batchSize: config.train.batchSize || 1,
    chooseBatchSize: config.train.batchSize > 0 ? undefined : (known) => {
      const choice = autoBatch(config, { backend, memoryBytes, ...known });
      notes.push(describeBatch(choice));
      const { batchSize } = choice;
      config = { ...config, train: { ...config.train, batchSize } };
      return batchSize;
    },
    seed: config.seed,
    dataDir: options.dataDir,
    tokenizerJson: restore?.tokenizerJson,
    expectFingerprint: options.dataFingerprint,
    onProgress: ({ phase, done, total }) =>
      onPrepare?.({
        stage: STAGES[phase],
        fraction: total > 0 ? done / total : null,
      }),
    onNotice: (message) => warnings.push(message),
    signal,
  });
  opened.defer(() => dataset.close());
  signal?.throwIfAborted();

  // 3. The program and its parameters. The session disposes of all from here.
  onPrepare?.({ stage: "preparing model", fraction: null });
  opened.move();
  const { plan } = options;
  const parts = { config, dataset, tokenizer, backend, warnings, notes };
  return await assembleSession({ ...parts, restore, plan });
}

/** The work of a micro-step, roughly: only the data tells the vocabulary. */
function workOf({ model, tokenizer, train }: HearthConfig): StepWork {
  const { nLayer: L, nEmbd: C, seqLen: T } = model;
  const { type, vocabSize } = tokenizer;
  const resolved = resolveModel(model, type === "bpe" ? vocabSize : BYTES);
  const parameters = parameterCount(resolved);
  const B = train.batchSize || 1;
  return estimateWork({ B, T, C, L, parameterCount: parameters });
}

/** Vocabulary of `byte`, and more than most texts have characters. */
const BYTES = 256;

/** What a batch may take of the device; null if nobody tells. */
async function freeMemory(
  { device, limits }: Backend,
  { config, freeGpuMemory }: OpenSessionOptions,
): Promise<number | null> {
  if (config.train.batchSize > 0) return null; // it is not asked for
  if (limits?.programBytes !== undefined) return limits.programBytes;
  return await freeGpuMemory?.(device) ?? null;
}

function autoBatch(
  { model, train }: HearthConfig,
  { backend: { device, limits }, memoryBytes, vocabSize, windows }: {
    backend: Backend;
    memoryBytes: number | null;
    vocabSize: number;
    windows: number;
  },
) {
  const resolved = resolveModel(model, vocabSize);
  return chooseBatchSize({
    seqLen: model.seqLen,
    bytesOf: (batchSize) =>
      programMemory(buildStepProgram(resolved, { ...train, batchSize })),
    memoryBytes,
    tensorBytes: limits?.tensorBytes ?? null,
    windows,
    isGpu: device.backend === "webgpu" && device.adapter?.isSoftware !== true,
  });
}
