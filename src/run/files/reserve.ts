/**
 * Room for the last word: a file that holds a place on the disk, so that a
 * run can still say how it ended when the disk is full.
 *
 * @module
 */

import { dirname } from "node:path";
import {
  replaceFile,
  syncDirectory,
  writeFileSynced,
} from "../../base/atomic_file.ts";

/** A state with 20 long warnings takes a tenth of this. */
const RESERVE_BYTES = 64 * 1024;

/** A file of 64 KiB that nobody needs but for its room. */
export class Reserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws If the disk has no room for it. */
  async take(): Promise<void> {
    // Random bytes: a file system that compresses or shares equal blocks
    // would store anything simpler for nothing.
    const bytes = crypto.getRandomValues(new Uint8Array(RESERVE_BYTES));
    await writeFileSynced(this.#path, bytes);
  }

  /**
   * Replaces `path` as `replaceFile` does, and gives up the room for it.
   *
   * The bytes go to blocks that the file has already, so nobody else can take
   * them first. Where a file system never writes in place, the room is freed
   * before.
   *
   * @param path In the directory of the reserve.
   */
  async spend(path: string, content: string): Promise<void> {
    try {
      await overwrite(this.#path, content);
      await Deno.rename(this.#path, path);
      await syncDirectory(dirname(path));
    } catch {
      await this.release();
      await replaceFile(path, content); // tells what is the matter, if it is
    }
  }

  /** Frees the room. Never throws: it is freed for others to use. */
  async release(): Promise<void> {
    await Deno.remove(this.#path).catch(() => {});
  }
}

async function overwrite(path: string, content: string): Promise<void> {
  const bytes = new TextEncoder().encode(content);
  using file = await Deno.open(path, { write: true });
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
  await file.truncate(bytes.length);
  await file.sync();
}
