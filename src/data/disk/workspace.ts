/**
 * A directory that is filled aside and then appears whole, or not at all.
 *
 * The directory `.tmp-<name>` belongs to the process that holds the lock of
 * `.tmp-<name>.lock`. The system frees that lock when the process ends in any
 * way, so leftovers of a killed one can be told from work in progress.
 *
 * @module
 */

import { join } from "node:path";
import { syncDirectory } from "../../base/atomic_file.ts";
import { errorCode } from "../../base/io_problem.ts";
import { writeFailure } from "../file_errors.ts";

const PREFIX = ".tmp-";
const LOCK = ".lock";

/** A directory in the making; disposing removes what was not published. */
export class Workspace implements AsyncDisposable {
  /** Where to put the files. */
  readonly directory: string;
  #parent: string;
  #lock: Deno.FsFile;
  #made: string[];
  #released = false;

  private constructor(
    parent: string,
    directory: string,
    lock: Deno.FsFile,
    made: string[],
  ) {
    this.#parent = parent;
    this.directory = directory;
    this.#lock = lock;
    this.#made = made;
  }

  /**
   * A new one in `parent`, which is made if it is not there.
   *
   * @throws {UserError} When `parent` cannot be written.
   */
  static async create(parent: string): Promise<Workspace> {
    await using opened = new AsyncDisposableStack();
    try {
      const made = await makeDirectories(parent);
      const directory = join(parent, PREFIX + crypto.randomUUID().slice(0, 8));
      const lock = await Deno.open(directory + LOCK, {
        write: true,
        createNew: true,
      });
      const workspace = new Workspace(parent, directory, lock, made);
      opened.use(workspace);
      // A file system without locks is no reason to stop; leftovers stay then.
      await lock.lock(true).catch(() => {});
      await Deno.mkdir(directory);
      opened.move();
      return workspace;
    } catch (error) {
      throw writeFailure(parent, error);
    }
  }

  /**
   * Renames the directory to `name` inside its parent.
   *
   * @returns False if `name` exists: another process may have been faster.
   */
  async publish(name: string): Promise<boolean> {
    const target = join(this.#parent, name);
    if (await isDirectory(target)) return false;
    try {
      await syncDirectory(this.directory);
      await Deno.rename(this.directory, target);
      await syncDirectory(this.#parent);
    } catch (error) {
      if (await isDirectory(target)) return false;
      throw writeFailure(target, error);
    }
    this.#made = [];
    await this.#release();
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeIfThere(this.directory);
    await this.#release();
    // Directories made for nothing go too, unless another put something there.
    for (const directory of this.#made.reverse()) {
      await Deno.remove(directory).catch(() => {});
    }
  }

  async #release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    this.#lock.close(); // before its removal: Windows removes no open file
    await removeIfThere(this.directory + LOCK);
  }
}

/** Removes what killed processes left in `parent`. Returns how many. */
export async function removeLeftovers(parent: string): Promise<number> {
  let removed = 0;
  for (const name of await entryNames(parent)) {
    if (!name.startsWith(PREFIX) || name.endsWith(LOCK)) continue;
    const directory = join(parent, name);
    if (await isLocked(directory + LOCK)) continue;
    await removeIfThere(directory);
    await removeIfThere(directory + LOCK);
    removed++;
  }
  return removed;
}

/** Names in a directory, sorted; none if it is not there. */
export async function entryNames(directory: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory)))
      .map(({ name }) => name).sort();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw writeFailure(directory, error);
  }
}

async function isLocked(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path, { read: true, write: true });
    return !await file.tryLock(true);
  } catch (error) {
    return errorCode(error) !== "ENOENT"; // what cannot be judged is spared
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isDirectory, () => false);
}

/** Like `mkdir -p`; returns those that were not there, outermost first. */
async function makeDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = path; !await isDirectory(at); at = join(at, "..")) {
    missing.unshift(at);
    if (join(at, "..") === at) break;
  }
  await Deno.mkdir(path, { recursive: true });
  return missing;
}
