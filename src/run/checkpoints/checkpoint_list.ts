/**
 * The checkpoints of a run: which there are, and which one is meant.
 *
 * Safe beside a running trainer: nothing here writes.
 *
 * @module
 */

import { basename, join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";
import { readLimitedText } from "../../base/limited_file.ts";
import { nearMiss } from "../../config/near_miss.ts";
import { weightsSha256 } from "./adapter_base.ts";
import { checkpointName } from "./checkpoint_files.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  type Manifest,
  verifyFiles,
} from "./manifest.ts";

/** As `checkpointName` makes them; no more digits than a number holds. */
const STEP_NAME = /^step-\d{8,16}$/;

/** A checkpoint directory. */
export interface CheckpointEntry {
  name: string;
  dir: string;
  /** Null if it cannot be read. */
  manifest: Manifest | null;
}

/** A checkpoint that was read, and what went wrong on the way to it. */
export interface LoadedCheckpoint<T> {
  name: string;
  dir: string;
  sizeBytes: number;
  /** Tells its weights from all others. */
  weightsSha256: string;
  content: T;
  /** Why newer checkpoints were passed over; one text each. */
  warnings: string[];
}

/** Newest save first; directories without a readable manifest last. */
export async function listCheckpoints(
  dir: string,
): Promise<CheckpointEntry[]> {
  const entries: CheckpointEntry[] = [];
  for (const name of await stepDirectories(dir)) {
    const path = join(dir, name);
    const manifest = await loadManifest(path).catch(() => null);
    entries.push({ name, dir: path, manifest });
  }
  const sequence = (entry: CheckpointEntry) => entry.manifest?.sequence ?? -1;
  return entries.sort((a, b) =>
    sequence(b) - sequence(a) || b.name.localeCompare(a.name)
  );
}

/** The name in `latest` or `best`, or null if there is no such pointer. */
export async function readPointer(
  dir: string,
  pointer: "latest" | "best",
): Promise<string | null> {
  // Without a pointer, whoever asks goes by what is there.
  const text = await readLimitedText(join(dir, pointer)).catch(() => "");
  return STEP_NAME.test(text.trim()) ? text.trim() : null;
}

/**
 * Reads a checkpoint.
 *
 * @param dir `checkpoints/<run-id>`.
 * @param options choice: `latest` (the default: falls back to the newest good
 * one), `best`, a name or number of a step, or the path of a directory.
 * read: `openSnapshot` or `openWeights`.
 * @throws {UserError} If there is none, or the chosen one is damaged.
 */
export async function loadCheckpoint<T>(
  dir: string,
  { choice = "latest", read }: {
    choice?: string;
    read: (dir: string) => Promise<T>;
  },
): Promise<LoadedCheckpoint<T>> {
  if (choice === "latest") return await loadNewestGood(dir, read);
  const chosen = await findChoice(dir, choice);
  try {
    return await loadOne(chosen, read);
  } catch (error) {
    if (!(error instanceof DamagedCheckpoint)) throw error;
    const good = await loadNewestGood(dir, read).catch(() => null);
    throw new UserError(`Cannot load "${chosen}": ${error.message}`, {
      hint: good
        ? `the newest good checkpoint is ${good.name}`
        : "the run has no other good checkpoint",
      cause: error,
    });
  }
}

/**
 * Reads every file of a checkpoint and compares it with the manifest.
 *
 * @throws {DamagedCheckpoint} Naming the first one that differs.
 */
export async function verifyCheckpoint(dir: string): Promise<void> {
  const manifest = await loadManifest(dir);
  await verifyFiles(dir, manifest, Object.keys(manifest.files));
}

async function loadNewestGood<T>(
  dir: string,
  read: (dir: string) => Promise<T>,
): Promise<LoadedCheckpoint<T>> {
  const newestFirst = (await listCheckpoints(dir)).map(({ name }) => name);
  const latest = await readPointer(dir, "latest");
  const candidates = new Set(latest ? [latest, ...newestFirst] : newestFirst);
  const runId = basename(dir);
  const problems: string[] = [];
  for (const name of candidates) {
    try {
      const loaded = await loadOne(join(dir, name), read);
      const warnings = problems.map((text) => `${text}; using ${name}`);
      return { ...loaded, warnings };
    } catch (error) {
      if (!(error instanceof DamagedCheckpoint)) throw error;
      problems.push(`Cannot load "${runId}/${name}": ${error.message}`);
    }
  }
  if (problems.length === 0) {
    throw new UserError(
      `Cannot load a checkpoint of "${runId}": none is saved`,
      { hint: "start the run again with hearth train" },
    );
  }
  throw new UserError(problems.join("; "), {
    hint: "no good checkpoint is left; start the run again with hearth train",
  });
}

async function loadOne<T>(
  dir: string,
  read: (dir: string) => Promise<T>,
): Promise<LoadedCheckpoint<T>> {
  const content = await read(dir);
  const manifest = await loadManifest(dir);
  const sizeBytes = Object.values(manifest.files)
    .reduce((sum, seal) => sum + seal.sizeBytes, 0);
  return {
    name: basename(dir),
    dir,
    sizeBytes,
    weightsSha256: weightsSha256(manifest)!, // it was read
    content,
    warnings: [],
  };
}

/** The directory that an explicit choice means. */
async function findChoice(dir: string, choice: string): Promise<string> {
  if (choice === "best") {
    const best = await readPointer(dir, "best");
    if (best !== null) return join(dir, best);
    throw await noSuchCheckpoint(dir, choice);
  }
  const step = /^(?:step-)?(\d+)$/.exec(choice)?.[1];
  const path = step === undefined
    ? choice
    : join(dir, checkpointName(Number(step)));
  const exists = await Deno.stat(path).then((s) => s.isDirectory, () => false);
  if (!exists) throw await noSuchCheckpoint(dir, choice);
  return path;
}

async function noSuchCheckpoint(
  dir: string,
  choice: string,
): Promise<UserError> {
  const names = (await listCheckpoints(dir)).map(({ name }) => name);
  const meant = nearMiss(choice, ["best", "latest", ...names]);
  return new UserError(
    `Cannot find checkpoint "${choice}" of "${basename(dir)}"`,
    {
      hint: names.length > 0 && meant !== null && meant !== choice
        ? `did you mean ${meant}?`
        : names.length > 0
        ? `there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`
        : "the run has no checkpoints yet",
      exitCode: EXIT.usage,
    },
  );
}

async function stepDirectories(dir: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      if (isDirectory && STEP_NAME.test(name)) names.push(name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    const problem = ioProblem(error);
    if (problem === null) throw error;
    throw new UserError(`Cannot read "${dir}": ${problem}`, {
      hint: "make it a directory that can be read, or choose another place " +
        "with --root DIR",
      exitCode: EXIT.usage,
      cause: error,
    });
  }
  return names;
}
