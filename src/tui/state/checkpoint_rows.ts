/**
 * The checkpoints of a run as a list to choose from.
 *
 * @module
 */

import {
  listCheckpoints,
  readPointer,
} from "../../run/checkpoints/checkpoint_list.ts";

/** One checkpoint. */
export interface CheckpointRow {
  /** Such as `step-00000500`. */
  name: string;
  /** Null if it is damaged. */
  step: number | null;
  savedAt: string | null;
  sizeBytes: number | null;
  isLatest: boolean;
  isBest: boolean;
}

/** Reads the list. @param dir `checkpoints/<run-id>`. */
export async function checkpointRows(dir: string): Promise<CheckpointRow[]> {
  const [entries, latest, best] = await Promise.all([
    listCheckpoints(dir),
    readPointer(dir, "latest"),
    readPointer(dir, "best"),
  ]);
  return entries.map(({ name, manifest }) => ({
    name,
    step: manifest?.step ?? null,
    savedAt: manifest?.savedAt ?? null,
    sizeBytes: manifest
      ? Object.values(manifest.files)
        .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      : null,
    isLatest: name === latest,
    isBest: name === best,
  }));
}
