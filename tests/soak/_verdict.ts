/**
 * What must be true of a run's files after a kill, and at its end.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { readJson } from "../../src/base/json_file.ts";
import {
  listCheckpoints,
  loadCheckpoint,
  readPointer,
} from "../../src/run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { loadRunState } from "../../src/run/files/run_state.ts";
import type { Snapshot } from "../../src/train/snapshot.ts";
import { loadMetrics } from "../run/_load_metrics.ts";
import { readSnapshot } from "../run/_snapshot.ts";

const RUN_ID = "owl-1"; // the name of the first run in a root

/** Whether there is enough of a run to resume it. */
export async function hasBegun(root: string): Promise<boolean> {
  const { dir, meta } = runPaths(root, RUN_ID);
  if (await exists(meta)) return true;
  // Killed before it had a name for what it does: then it has done nothing.
  assert.equal(await exists(join(root, "checkpoints")), false);
  if (await exists(dir)) await Deno.remove(dir, { recursive: true });
  return false;
}

/** What a killed process has left. */
interface Found {
  /** Of the newest checkpoint; 0 if there is none. */
  step: number;
  /** The run has noted that it came to its end. */
  isComplete: boolean;
}

/**
 * Checks the files of a run whose process was killed.
 *
 * @param lastStep Step of the newest checkpoint before this process.
 */
export async function checkFiles(
  root: string,
  lastStep: number,
): Promise<Found> {
  const paths = runPaths(root, RUN_ID);

  // 1. No file is half-written, and nobody thinks that the run is alive.
  await readJson(paths.meta);
  const state = await loadRunState(paths);
  const isComplete = state?.status === "completed";
  if (state && !isComplete) {
    assert.deepEqual([state.status, state.alive], ["interrupted", false]);
  }
  const lines = await Deno.readTextFile(paths.metrics).catch(() => "");
  for (const line of lines.split("\n").slice(0, -1)) JSON.parse(line);

  // 2. Each checkpoint is whole, as is what the pointers name.
  const all = await listCheckpoints(paths.checkpoints);
  for (const { dir } of all) await readSnapshot(dir);
  const best = await readPointer(paths.checkpoints, "best");
  const names = all.map(({ name }) => name);
  assert.ok(best === null || names.includes(best), `best is ${best}`);
  if (all.length === 0) {
    assert.equal(lastStep, 0, "all checkpoints are gone");
    return { step: 0, isComplete };
  }

  // 3. The run goes on where it was, or later.
  const latest = await loadCheckpoint(paths.checkpoints, {
    read: readSnapshot,
  });
  assert.deepEqual(latest.warnings, []);
  const { step } = latest.content.trainer;
  assert.ok(step >= lastStep, `from step ${lastStep} back to ${step}`);
  return { step, isComplete };
}

/** All that a run leaves but times. */
export interface Result {
  snapshot: Snapshot;
  /** Kind, step and loss of each row. */
  losses: string[];
  best: string | null;
  /** Names in both directories. */
  names: string[];
}

/** What a run that came to its end has left. */
export async function readResult(root: string): Promise<Result> {
  const paths = runPaths(root, RUN_ID);
  const state = await loadRunState(paths);
  assert.deepEqual([state?.status, state?.error], ["completed", null]);
  const { content } = await loadCheckpoint(paths.checkpoints, {
    read: readSnapshot,
  });
  const { elapsedMs: _, evalBatchCost: _cost, checkpointMs: _ms, ...trainer } =
    content.trainer;
  const losses = (await loadMetrics(paths.metrics)).map((row) =>
    `${row.kind} ${row.step} ` +
    (row.kind === "step" ? `${row.trainLoss} ${row.gradNorm}` : row.valLoss)
  );
  return {
    snapshot: { ...content, trainer: trainer as Snapshot["trainer"] },
    losses,
    best: await readPointer(paths.checkpoints, "best"),
    names: [...await names(paths.dir), ...await names(paths.checkpoints)],
  };
}

/** @throws {Error} Naming the first thing that differs. */
export function assertSameResult(result: Result, wanted: Result): void {
  const { snapshot, names, ...rest } = result;
  const { snapshot: wantedSnapshot, names: wantedNames, ...wantedRest } =
    wanted;
  assert.deepEqual(rest, wantedRest);
  assert.deepEqual(names.toSorted(), wantedNames.toSorted());
  assert.deepEqual(snapshot.trainer, wantedSnapshot.trainer);
  for (const part of ["params", "optimizer"] as const) {
    for (const [i, { name, data }] of snapshot[part].entries()) {
      const isSame = bytes(data).equals(bytes(wantedSnapshot[part][i].data));
      assert.ok(isSame, `${part}: ${name} differs`);
    }
  }
}

/** By bytes, since a comparison of numbers takes -0 for 0. */
function bytes({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

async function names(dir: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(dir));
  // Who is killed on the way out leaves this one.
  return entries.map(({ name }) => name)
    .filter((name) => name !== ".reserve").sort();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
