/**
 * A folder that several processes use at a time, and that the last of them
 * removes.
 *
 * Each holds a shared lock of `FOLDER.lock`; who gets it for itself is the last
 * one. The system frees the locks of a process that ends in any way.
 *
 * @module
 */

import { dirname } from "node:path";
import { makeDirectories } from "../../base/atomic_file.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { writeFailure } from "../file_errors.ts";
import { isSameFile } from "./same_file.ts";

/** One process's use of the folder; ends when it is disposed of. */
export class SharedFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: Deno.FsFile;
  /** The folder itself goes, too. */
  #isDone = false;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Waits while another process removes the folder, which takes no time.
   *
   * @throws {UserError} If nothing can be written there.
   */
  static async open(path: string): Promise<SharedFolder> {
    while (true) {
      const lock = await openLock(path);
      // A file system without locks is no reason to stop.
      await lock.lock(false).catch(() => {});
      // Who was the last removed the lock as well.
      if (await isSameFile(lock, lockPath(path))) {
        return new SharedFolder(path, lock);
      }
      lock.close();
    }
  }

  /** Says that nobody has to find the folder later. */
  done(): void {
    this.#isDone = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using lock = this.#lock;
    await lock.unlock().catch(() => {});
    if (!await lock.tryLock(true).catch(() => true)) return; // others go on
    if (!await isSameFile(lock, lockPath(this.path))) return;
    if (this.#isDone) {
      await unlessGone(Deno.remove(this.path, { recursive: true }));
    }
    await Deno.remove(lockPath(this.path)).catch(() => {}); // Windows: open
  }
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    await makeDirectories(dirname(path));
    const how = { read: true, write: true, create: true };
    return await Deno.open(lockPath(path), how);
  } catch (error) {
    throw writeFailure(path, error);
  }
}

function lockPath(path: string): string {
  return `${path}.lock`;
}
