/**
 * Which checkpoints may go: the `checkpoint.keep` policy.
 *
 * @module
 */

import {
  type CheckpointEntry,
  listCheckpoints,
  verifyCheckpoint,
} from "./checkpoint_list.ts";

/** What stays whatever else. */
interface Spared {
  /** `checkpoint.keep`: newest periodic checkpoints that stay. */
  keep: number;
  /** Names; null stands for nothing. */
  spared: ReadonlySet<string | null>;
}

/**
 * Those that are not kept once a checkpoint has been saved. One whose manifest
 * cannot be read is none of them: it may hold something that a person wants.
 *
 * @param all Newest first.
 */
export function unkept(
  all: readonly CheckpointEntry[],
  { keep, spared }: Spared,
): CheckpointEntry[] {
  const kept = new Set(periodic(all).slice(0, keep));
  return all.filter((entry) =>
    entry.manifest !== null && !kept.has(entry) && !spared.has(entry.name)
  );
}

/** A checkpoint that may be given up for a new one. */
export interface Dispensable {
  entry: CheckpointEntry;
  /** What its removal frees. */
  spaceBytes: number;
}

/** Seven files and their directory, in blocks of 4 KiB that are half full. */
const OVERHEAD_BYTES = 16 * 1024;

/** What a checkpoint takes on the disk, besides the sizes of its files. */
export function spaceOf({ sizeBytes }: { sizeBytes: number }): number {
  return sizeBytes + OVERHEAD_BYTES;
}

/**
 * Those that may be removed to make room for one that is still to be written,
 * oldest first: what will not be kept then, and for the last save of a process
 * whatever is neither `spared` nor the newest good one. That one stays until
 * there is a newer: the save may fail.
 */
export async function dispensable(
  dir: string,
  { keep, spared, ...coming }: Spared & { periodic: boolean; final?: boolean },
): Promise<Dispensable[]> {
  const all = await listCheckpoints(dir);
  const keptThen = coming.final ? 0 : keep - Number(coming.periodic);
  const newestFirst = unkept(all, { keep: keptThen, spared });
  if (newestFirst.length === 0) return []; // nothing to be careful with
  const newestGood = await findNewestGood(all);
  if (newestGood === null) return [];
  return newestFirst.filter(({ name }) => name !== newestGood).reverse()
    .map((entry) => ({ entry, spaceBytes: spaceOf(sizeOf(entry)) }));
}

function periodic(all: readonly CheckpointEntry[]): CheckpointEntry[] {
  return all.filter(({ manifest }) => manifest?.periodic);
}

async function findNewestGood(
  newestFirst: readonly CheckpointEntry[],
): Promise<string | null> {
  for (const { name, dir } of newestFirst) {
    const isGood = await verifyCheckpoint(dir).then(() => true, () => false);
    if (isGood) return name;
  }
  return null;
}

function sizeOf({ manifest }: CheckpointEntry): { sizeBytes: number } {
  const sizeBytes = Object.values(manifest?.files ?? {})
    .reduce((sum, seal) => sum + seal.sizeBytes, 0);
  return { sizeBytes };
}
