/**
 * The model that adapters were trained beside: a checkpoint of another run,
 * known by its name and by what is in it.
 *
 * It is looked for where the adapters say, and then, as people rename runs,
 * among all other checkpoints of the same root.
 *
 * @module
 */

import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { isOneName } from "../../base/one_name.ts";
import { textSha256 } from "../../base/sha256.ts";
import type { BaseRef } from "../../train/base_model.ts";
import type { TrainedAdapters } from "../../train/snapshot.ts";
import { DamagedCheckpoint, loadManifest, type Manifest } from "./manifest.ts";

/** All weights of a model. */
export const MODEL = "model.safetensors";
/** In their place: A and B of every adapter. */
export const ADAPTER = "adapter.safetensors";
/** What the adapters are, and beside which model. */
export const ADAPTER_INFO = "adapter.json";

/** No model has that many kinds of layers. */
const MOST_TARGETS = 64;

const infoSchema = z.object({
  version: z.literal(1),
  rank: z.int().min(1),
  alpha: z.number().positive(),
  dropout: z.number().min(0).lt(1),
  targets: z.array(z.string()).min(1).max(MOST_TARGETS),
  base: z.object({
    from: z.string().refine((from) => from.split("/").every(isOneName)),
    sha256: z.string(),
  }),
});

/** The object in `adapter.json`. */
export function adapterFile({ lora, base }: TrainedAdapters): object {
  return { version: 1, ...lora, base };
}

/** What an `adapter.json` says. @throws {DamagedCheckpoint} */
export function readAdapterFile(value: unknown): TrainedAdapters {
  const { success, data, error } = infoSchema.safeParse(value);
  if (success) {
    const { version: _, base, ...lora } = data;
    return { lora, base };
  }
  const [{ path, message }] = error.issues;
  throw new DamagedCheckpoint(
    `${ADAPTER_INFO}: ${[...path, message].join(": ")}`,
  );
}

/** Whether a checkpoint holds adapters, whatever else it may hold. */
export function hasAdapters({ files }: Manifest): boolean {
  return Object.hasOwn(files, ADAPTER_INFO);
}

/**
 * What tells the weights of a checkpoint from all others: the SHA-256 of
 * `model.safetensors`; of adapters one of theirs, which covers their base. So
 * no chain of adapters leads back to where it began.
 */
export function weightsSha256(manifest: Manifest): string | null {
  const { files } = manifest;
  if (!hasAdapters(manifest)) return files[MODEL]?.sha256 ?? null;
  const parts = [files[ADAPTER_INFO], files[ADAPTER]];
  if (parts.some((part) => !part)) return null;
  return textSha256(parts.map(({ sha256 }) => `${sha256}\n`).join(""));
}

/**
 * Opens the model beside which adapters were trained.
 *
 * @param dir Of the checkpoint with the adapters.
 * @param options.elsewhere Where to look if it is not where it was.
 * @param options.open Verifies and opens the weights of a checkpoint.
 * @throws {UserError} If it is not there, is another by now, or is damaged.
 */
export async function openBase<T>(
  dir: string,
  base: BaseRef,
  { elsewhere, open }: {
    elsewhere: WeightsIndex;
    open: (dir: string) => Promise<T>;
  },
): Promise<T> {
  const path = resolve(dir), checkpoints = dirname(dirname(path));
  const own = `${basename(dirname(path))}/${basename(path)}`;
  const cannot = `Cannot load "${own}": its adapters belong to ` +
    `"${base.from}", which`;
  const named = join(checkpoints, base.from);
  const found = await hasWeights(named, base)
    ? named
    : await elsewhere.find(checkpoints, base.sha256);
  if (found === null) {
    const isThere = await exists(named);
    throw new UserError(
      isThere
        ? `${cannot} has other weights now`
        : `${cannot} is not in "${checkpoints}"`,
      {
        hint: "put back the checkpoint whose weights have sha256 " +
          `${base.sha256.slice(0, 12)}…: adapters are no model by themselves`,
      },
    );
  }
  try {
    return await open(found);
  } catch (cause) {
    if (!(cause instanceof DamagedCheckpoint)) throw cause;
    throw new UserError(`${cannot} is damaged: ${cause.message}`, {
      hint: `put back "${found}" from a copy`,
      cause,
    });
  }
}

async function hasWeights(dir: string, base: BaseRef): Promise<boolean> {
  return await weightsOf(dir) === base.sha256;
}

/** Null for what is no checkpoint that can be read. */
async function weightsOf(dir: string): Promise<string | null> {
  const manifest = await loadManifest(dir).catch(() => null);
  return manifest && weightsSha256(manifest);
}

/**
 * The checkpoints of all runs by their weights. They are looked through once:
 * adapters may be beside adapters, each of which was moved.
 */
export class WeightsIndex {
  #found: ReadonlyMap<string, string> | null = null;

  /** The first checkpoint below `checkpoints` that has these weights. */
  async find(checkpoints: string, sha256: string): Promise<string | null> {
    this.#found ??= await allWeights(checkpoints);
    return this.#found.get(sha256) ?? null;
  }
}

async function allWeights(
  checkpoints: string,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const run of await directories(checkpoints)) {
    for (const dir of await directories(run)) {
      const sha256 = await weightsOf(dir);
      if (sha256 !== null && !found.has(sha256)) found.set(sha256, dir);
    }
  }
  return found;
}

/** In the order of their names; none where nothing can be read. */
async function directories(dir: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch(() => []);
  return entries
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
    .map(({ name }) => join(dir, name)).sort();
}
