/**
 * One checkpoint directory: a snapshot as files, and back.
 *
 *     model.safetensors optimizer.safetensors trainer.json
 *     tokenizer.json config.json meta.json manifest.json
 *
 * Where only adapters were trained, `adapter.safetensors` and `adapter.json`,
 * which names the model that they belong to, are in place of the model.
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
import {
  deferSafetensors,
  type TensorSource,
  writeSafetensors,
} from "../../base/safetensors.ts";
import { type FileSeal, writeSealed } from "../../base/sealed_file.ts";
import {
  checkAdapters,
  frozenTensors,
  mergeAdapters,
} from "../../train/adapters.ts";
import type { SnapshotSource } from "../../train/snapshot.ts";
import { checkTrainerState } from "../../train/trainer_state.ts";
import {
  ADAPTER,
  ADAPTER_INFO,
  adapterFile,
  hasAdapters,
  MODEL,
  openBase,
  readAdapterFile,
  WeightsIndex,
} from "./adapter_base.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  type Manifest,
  saveManifest,
  verifyFiles,
} from "./manifest.ts";

const OPTIMIZER = "optimizer.safetensors";
const TRAINER = "trainer.json";
const TOKENIZER = "tokenizer.json";
const CONFIG = "config.json";
/** What the run was asked to do, as its own `meta.json` has it. */
export const META_COPY = "meta.json";

/**
 * What generation and evaluation need: a model, with the adapters merged where
 * there are some.
 */
export type WeightsSource =
  & Omit<SnapshotSource, "optimizer" | "frozen">
  & {
    /** A and B, in our own names, where `adapter` is there. */
    factors?: readonly TensorSource[];
  };

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
  const { params, optimizer, trainer, adapter } = snapshot;
  const { tokenizerJson, modelConfig } = snapshot;
  const step = String(trainer.step);
  const writeText = (name: string, text: string) =>
    writeSealed(join(dir, name), [new TextEncoder().encode(text)]);

  const weights = adapter ? ADAPTER : MODEL;
  const files: Record<string, FileSeal> = {
    [weights]: await writeSafetensors(join(dir, weights), params, {
      metadata: { step },
    }),
    [OPTIMIZER]: await writeSafetensors(join(dir, OPTIMIZER), optimizer, {
      metadata: { step },
    }),
    [TRAINER]: await writeText(TRAINER, jsonText(trainer)),
    [TOKENIZER]: await writeText(TOKENIZER, tokenizerJson),
    [CONFIG]: await writeText(CONFIG, jsonText(modelConfig)),
  };
  if (adapter) {
    const text = jsonText(adapterFile(adapter));
    files[ADAPTER_INFO] = await writeText(ADAPTER_INFO, text);
  }
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

/**
 * All that resume needs: the files are verified now, and each tensor is read
 * when it is asked for.
 *
 * @throws {DamagedCheckpoint}
 * @throws {UserError} If the model that adapters belong to cannot be used.
 */
export async function openSnapshot(dir: string): Promise<SnapshotSource> {
  const content = await readVerified(dir, [OPTIMIZER], async () => ({
    ...await openWeightFiles(dir),
    optimizer: await deferSafetensors(join(dir, OPTIMIZER)),
  }));
  const { adapter } = content;
  if (!adapter) return content;
  const base = await openBase(dir, adapter.base, opening(new WeightsIndex()));
  return { ...content, frozen: frozenTensors(base, content) };
}

/**
 * The same without the optimizer's file, which is twice the size of the
 * weights, and with adapters merged into the model that they belong to.
 *
 * @throws As {@linkcode openSnapshot}.
 */
export async function openWeights(dir: string): Promise<WeightsSource> {
  return await openMerged(dir, new WeightsIndex());
}

async function openMerged(
  dir: string,
  elsewhere: WeightsIndex,
): Promise<WeightsSource> {
  const content = await readVerified(dir, [], () => openWeightFiles(dir));
  const { adapter, params: factors } = content;
  if (!adapter) return content;
  const base = await openBase(dir, adapter.base, opening(elsewhere));
  const params = mergeAdapters(base, { ...content, adapter, factors });
  return { ...content, params, factors };
}

/** How to open a base, and the bases of that. */
function opening(elsewhere: WeightsIndex) {
  return { elsewhere, open: (dir: string) => openMerged(dir, elsewhere) };
}

/** @param more Files besides those of the weights. */
async function readVerified<T>(
  dir: string,
  more: readonly string[],
  read: () => Promise<T>,
): Promise<T> {
  const manifest = await loadManifest(dir);
  const weights = hasAdapters(manifest) ? [ADAPTER, ADAPTER_INFO] : [MODEL];
  const names = [...weights, TRAINER, TOKENIZER, CONFIG, ...more];
  await verifyFiles(dir, manifest, names);
  try {
    return await read();
  } catch (cause) {
    throw new DamagedCheckpoint(errorMessage(cause), { cause });
  }
}

/** What the files themselves hold: of adapters nothing but these. */
async function openWeightFiles(
  dir: string,
): Promise<Omit<SnapshotSource, "optimizer" | "frozen">> {
  const readText = (name: string, maxBytes?: number) =>
    readLimitedText(join(dir, name), maxBytes);
  const isAdapter = hasAdapters(await loadManifest(dir));
  const content = {
    params: await deferSafetensors(join(dir, isAdapter ? ADAPTER : MODEL)),
    trainer: checkTrainerState(parseJson(await readText(TRAINER))),
    tokenizerJson: await readText(TOKENIZER, LARGE_FILE_BYTES),
    modelConfig: parseJson(await readText(CONFIG)) as object,
  };
  if (!isAdapter) return content;
  const adapter = readAdapterFile(parseJson(await readText(ADAPTER_INFO)));
  checkAdapters({ ...content, adapter, factors: content.params });
  return { ...content, adapter };
}
