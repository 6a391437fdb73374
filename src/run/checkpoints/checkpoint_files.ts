/**
 * One checkpoint directory: a snapshot as files, and back.
 *
 *     model.safetensors optimizer.safetensors trainer.json
 *     tokenizer.json config.json meta.json manifest.json
 *
 * Where it lies, and which of many to take, is decided elsewhere.
 *
 * @module
 */

import { join } from "node:path";
import { syncDirectory } from "../../base/atomic_file.ts";
import { errorMessage } from "../../base/errors.ts";
import { jsonText } from "../../base/json_file.ts";
import { LARGE_FILE_BYTES, readLimitedText } from "../../base/limited_file.ts";
import { parseJson } from "../../base/parse_json.ts";
import { deferSafetensors, writeSafetensors } from "../../base/safetensors.ts";
import { type FileSeal, writeSealed } from "../../base/sealed_file.ts";
import {
  readTensors,
  type Snapshot,
  type SnapshotSource,
} from "../../train/snapshot.ts";
import { checkTrainerState } from "../../train/trainer_state.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  type Manifest,
  saveManifest,
  verifyFiles,
} from "./manifest.ts";

const MODEL = "model.safetensors";
const OPTIMIZER = "optimizer.safetensors";
const TRAINER = "trainer.json";
const TOKENIZER = "tokenizer.json";
const CONFIG = "config.json";
/** What the run was asked to do, as its own `meta.json` has it. */
export const META_COPY = "meta.json";
/** The files of {@linkcode WeightsSource}. */
const WEIGHTS = [MODEL, TRAINER, TOKENIZER, CONFIG];

/** What generation and evaluation need: a snapshot without the optimizer. */
export type WeightsSource = Omit<SnapshotSource, "optimizer">;

/** Such as `step-00000500`: sorts as text in the order of steps. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/**
 * Writes every file of a checkpoint into `dir`, which must be empty, each
 * synced to disk, the manifest last.
 *
 * @param options.meta Goes into {@linkcode META_COPY}; null: there is none.
 * @returns The size of all files.
 */
export async function writeCheckpoint(
  dir: string,
  snapshot: SnapshotSource,
  { sequence, periodic, meta = null }:
    & Pick<Manifest, "sequence" | "periodic">
    & { meta?: object | null },
): Promise<number> {
  const { params, optimizer, trainer, tokenizerJson, modelConfig } = snapshot;
  const step = String(trainer.step);
  const writeText = (name: string, text: string) =>
    writeSealed(join(dir, name), [new TextEncoder().encode(text)]);

  const files: Record<string, FileSeal> = {
    [MODEL]: await writeSafetensors(join(dir, MODEL), params, {
      metadata: { step },
    }),
    [OPTIMIZER]: await writeSafetensors(join(dir, OPTIMIZER), optimizer, {
      metadata: { step },
    }),
    [TRAINER]: await writeText(TRAINER, jsonText(trainer)),
    [TOKENIZER]: await writeText(TOKENIZER, tokenizerJson),
    [CONFIG]: await writeText(CONFIG, jsonText(modelConfig)),
  };
  if (meta !== null) {
    files[META_COPY] = await writeText(META_COPY, jsonText(meta));
  }
  const manifest: Manifest = {
    version: 1,
    step: trainer.step,
    sequence,
    periodic,
    savedAt: new Date().toISOString(),
    files,
  };
  await saveManifest(dir, manifest);
  await syncDirectory(dir);
  return Object.values(files).reduce(
    (sum, { sizeBytes }) => sum + sizeBytes,
    0,
  );
}

/** Reads a snapshot into memory. @throws {DamagedCheckpoint} */
export async function readSnapshot(dir: string): Promise<Snapshot> {
  const source = await openSnapshot(dir);
  return { ...source, ...await readTensors(source) };
}

/**
 * All that resume needs: the files are verified now, and each tensor is read
 * when it is asked for. @throws {DamagedCheckpoint}
 */
export async function openSnapshot(dir: string): Promise<SnapshotSource> {
  return await readVerified(dir, [...WEIGHTS, OPTIMIZER], async () => ({
    ...await openWeightFiles(dir),
    optimizer: await deferSafetensors(join(dir, OPTIMIZER)),
  }));
}

/**
 * The same without the optimizer's file, which is twice the size of the
 * weights. @throws {DamagedCheckpoint}
 */
export async function openWeights(dir: string): Promise<WeightsSource> {
  return await readVerified(dir, WEIGHTS, () => openWeightFiles(dir));
}

async function readVerified<T>(
  dir: string,
  names: readonly string[],
  read: () => Promise<T>,
): Promise<T> {
  await verifyFiles(dir, await loadManifest(dir), names);
  try {
    return await read();
  } catch (cause) {
    throw new DamagedCheckpoint(errorMessage(cause), { cause });
  }
}

async function openWeightFiles(dir: string): Promise<WeightsSource> {
  const readText = (name: string, maxBytes?: number) =>
    readLimitedText(join(dir, name), maxBytes);
  return {
    params: await deferSafetensors(join(dir, MODEL)),
    trainer: checkTrainerState(parseJson(await readText(TRAINER))),
    tokenizerJson: await readText(TOKENIZER, LARGE_FILE_BYTES),
    modelConfig: parseJson(await readText(CONFIG)) as object,
  };
}
