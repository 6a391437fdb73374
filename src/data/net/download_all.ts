/**
 * Several downloads at once, with room for all of them.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import { freeBytes, noRoom } from "../../base/free_space.ts";
import { type DataProgress, meter } from "../progress.ts";
import {
  download,
  type DownloadOptions,
  partPath,
  type RemoteFile,
} from "./download.ts";

/** Connections at a time: enough to fill a line, few enough to be polite. */
const AT_ONCE = 4;

/**
 * Downloads all of `files`; those that are done stay when another fails.
 *
 * @param directory Where all of them go, for the question of room.
 * @throws {UserError} For the first that cannot be had, or for a full disk.
 */
export async function downloadAll(
  files: readonly RemoteFile[],
  directory: string,
  { onProgress, signal, ...network }:
    & Omit<DownloadOptions, "onBytes">
    & { onProgress?: (progress: DataProgress) => void },
): Promise<void> {
  // 1. Is there room? Of files whose size is not known, nobody can tell.
  const sizes = files.map(({ sizeBytes }) => sizeBytes ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const have = await Promise.all(files.map(({ path }) => partBytes(path)));
  const neededBytes = total - have.reduce((sum, size) => sum + size, 0);
  const availableBytes = await freeBytes(directory);
  if (availableBytes !== null && neededBytes > availableBytes) {
    const what = files.length === 1
      ? `the download of "${files[0].name}"`
      : `the downloads of ${files.length} files`;
    throw noRoom(directory, { neededBytes, availableBytes, what });
  }

  // 2. A few at a time; the first failure ends the others, whose parts stay.
  const known = files.every(({ sizeBytes }) => sizeBytes !== null);
  const onBytes = meter(
    { phase: "download", total: known ? total : 0 },
    onProgress,
  );
  const failing = new AbortController();
  const queue = [...files];
  const work = async () => {
    for (let file; (file = queue.shift()) !== undefined;) {
      await download(file, {
        ...network,
        onBytes,
        signal: signal
          ? AbortSignal.any([signal, failing.signal])
          : failing.signal,
      });
    }
  };
  const failures: unknown[] = [];
  await Promise.all(
    Array.from(
      { length: Math.min(AT_ONCE, files.length) },
      () =>
        work().catch((error) => {
          failures.push(error);
          failing.abort(error);
        }),
    ),
  );
  signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}

async function partBytes(path: string): Promise<number> {
  return await stat(partPath(path)).then(({ size }) => size, () => 0);
}
