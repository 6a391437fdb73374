/**
 * From a configuration to a session: opens device, data and tokenizer.
 *
 * @module
 */

import type { DeviceInfo } from "../backend/backend.ts";
import { openBackend } from "../backend/devices/open_backend.ts";
import { limitThreads } from "../base/thread_limit.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import type { DatasetIdentity } from "../data/fingerprint.ts";
import { openDataset } from "../data/open_dataset.ts";
import { type DataStage, describeProgress } from "../data/progress.ts";
import { assembleSession } from "./assemble_session.ts";
import { describeBatch } from "./auto_batch.ts";
import type { BaseModel } from "./base_model.ts";
import { checkSettings } from "./check_settings.ts";
import { autoBatch, stepWork } from "./device_fit.ts";
import type { ResumePlan } from "./restored_state.ts";
import type { Session } from "./session.ts";
import type { SnapshotSource } from "./snapshot.ts";

/** What is done before training, such as tokenizing. */
export interface PrepareProgress {
  /** What is being done, in words for people. */
  stage: DataStage | "preparing model";
  /** Part that is done, 0 to 1; null if unknown. */
  fraction: number | null;
  /** Bytes, where that is what is counted; a total of 0 is not known. */
  bytes?: { done: number; total: number } | null;
}

/** What to open. */
export interface OpenSessionOptions {
  config: HearthConfig;
  /** Where prepared data is kept. */
  dataDir: string;
  /** Go on from here, in place of new parameters and a new tokenizer. */
  restore?: SnapshotSource;
  /** A model to begin with, in place of new parameters and a new tokenizer. */
  base?: BaseModel;
  /** How the restored run differs from one that just goes on. */
  plan?: ResumePlan;
  /** Refuse other data. */
  expectData?: DatasetIdentity;
  /** The device that computed before: the run stays with it, if it may. */
  previousDevice?: DeviceInfo;
  /** Asks the system for the free memory of a GPU; null if it does not tell. */
  freeGpuMemory?: (device: DeviceInfo) => Promise<number | null>;
  onPrepare?: (progress: PrepareProgress) => void;
  /** Ends the preparation: the promise rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Opens all that a run needs; the caller disposes of the session.
 *
 * @throws {UserError} For settings, data, a device or a snapshot that cannot
 * be used; what the user can get wrong is found before anything is written.
 */
export async function openSession(
  options: OpenSessionOptions,
): Promise<Session> {
  const { restore, base, onPrepare, signal } = options;
  checkSettings(options.config);
  let { config } = options;

  await using opened = new AsyncDisposableStack();

  // 1. The device, before the long work: it may not be what was asked for.
  const { device, threads, gemm, precision, strictDevice: strict } = config;
  const wanted = { device, threads, gemm, precision, strict };
  const { backend, warnings, notes } = await openBackend({
    ...wanted,
    work: stepWork(config),
    previous: options.previousDevice,
  });
  opened.defer(() => backend.dispose());
  const ofData = limitThreads(config.threads);
  // The CPU has said the same.
  if (ofData.warning !== null && !warnings.includes(ofData.warning)) {
    warnings.push(ofData.warning);
  }
  const isAuto = config.train.batchSize === 0;
  const memoryBytes = isAuto
    ? backend.limits?.programBytes ??
      await options.freeGpuMemory?.(backend.device) ?? null
    : null;

  // 2. Data and tokenizer.
  const { dataset, tokenizer } = await openDataset({
    data: config.data,
    tokenizer: config.tokenizer,
    seqLen: config.model.seqLen,
    batchSize: config.train.batchSize || 1,
    chooseBatchSize: isAuto
      ? (known) => {
        const choice = autoBatch(config, { backend, memoryBytes, ...known });
        notes.push(describeBatch(choice));
        const { batchSize } = choice;
        config = { ...config, train: { ...config.train, batchSize } };
        return batchSize;
      }
      : undefined,
    seed: config.seed,
    dataDir: options.dataDir,
    tokenizerJson: (restore ?? base)?.tokenizerJson,
    expect: options.expectData,
    threads: ofData.threads,
    onProgress: (progress) => onPrepare?.(describeProgress(progress)),
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
  return await assembleSession({ ...parts, restore, base, plan });
}
