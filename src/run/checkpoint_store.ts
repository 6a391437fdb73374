/**
 * The checkpoints of one run, as the process that trains it sees them.
 *
 * A checkpoint is written to a directory that nobody looks into, sealed,
 * renamed to its name, and only then pointed to by `latest` and `best`. A
 * crash at any moment leaves the older checkpoints as they were, and at most
 * a leftover that the next save removes. The lock of the run must be held.
 *
 * @module
 */

import { join } from "node:path";
import { replaceFile, syncDirectory } from "../base/atomic_file.ts";
import { EXIT, type UserError } from "../base/errors.ts";
import { formatBytes } from "../base/format.ts";
import type { SavedCheckpoint, SaveInfo } from "../train/loop.ts";
import type { Snapshot } from "../train/snapshot.ts";
import { checkpointName, writeCheckpoint } from "./checkpoint_files.ts";
import { listCheckpoints, readPointer } from "./checkpoint_list.ts";
import { type FreeBytes, freeBytes, requireSpace } from "./disk_space.ts";
import { removeLeftovers } from "./leftovers.ts";

/** Saves into one directory and keeps it tidy. */
export class CheckpointStore {
  readonly #dir: string;
  readonly #keep: number;
  readonly #neededBytes: number;
  readonly #free: FreeBytes;
  /** What is on disk under a step's name is this run's state at that step. */
  #current: SavedCheckpoint | null = null;

  /**
   * @param dir `checkpoints/<run-id>`; made by the first save.
   * @param options keep: newest periodic checkpoints that stay.
   * neededBytes: what one checkpoint takes.
   */
  constructor(
    dir: string,
    { keep, neededBytes, free = freeBytes }: {
      keep: number;
      neededBytes: number;
      free?: FreeBytes;
    },
  ) {
    this.#dir = dir;
    this.#keep = keep;
    this.#neededBytes = neededBytes;
    this.#free = free;
  }

  /**
   * @returns A warning, if the disk has room for fewer checkpoints than are
   * kept at a time, or null.
   * @throws {UserError} If it has room for none.
   */
  async checkRoom(): Promise<string | null> {
    // Nothing is computed yet: this root is the wrong choice.
    const room = await this.#requireSpace("a checkpoint", EXIT.usage);
    // Besides those that are kept: the best one, and the one being written.
    const most = this.#keep + 2;
    const present = (await listCheckpoints(this.#dir)).length;
    if (present + room >= most) return null;
    return `Room on the disk for more checkpoints of ` +
      `${formatBytes(this.#neededBytes)}: ${room}; ` +
      `the run keeps up to ${most}, ${present} are there`;
  }

  /**
   * Goes on from a checkpoint that was loaded: it is `latest` from now on,
   * even if others have done more steps.
   */
  async adopt(checkpoint: SavedCheckpoint): Promise<void> {
    await removeLeftovers(this.#dir);
    await this.#point("latest", checkpoint.name);
    this.#current = checkpoint;
  }

  /**
   * Saves and points to a snapshot, and removes what is no longer kept. The
   * step that was saved or adopted last is only pointed to.
   *
   * @throws {UserError} If the disk has no room.
   */
  async save(
    snapshot: () => Promise<Snapshot>,
    { step, best, periodic }: Omit<SaveInfo, "final">,
  ): Promise<SavedCheckpoint> {
    const name = checkpointName(step);
    if (this.#current?.name !== name) {
      await this.#requireSpace(`checkpoint "${name}"`);
      await Deno.mkdir(this.#dir, { recursive: true });
      await removeLeftovers(this.#dir);
      const sizeBytes = await this.#write(name, await snapshot(), periodic);
      await this.#point("latest", name);
      this.#current = { name, sizeBytes };
    }
    if (best) await this.#point("best", name);
    await this.#prune(name);
    return this.#current;
  }

  async #requireSpace(
    what: string,
    exitCode?: UserError["exitCode"],
  ): Promise<number> {
    return await requireSpace(this.#dir, {
      neededBytes: this.#neededBytes,
      what,
      free: this.#free,
      exitCode,
    });
  }

  async #write(
    name: string,
    snapshot: Snapshot,
    periodic: boolean,
  ): Promise<number> {
    const newest = (await listCheckpoints(this.#dir)).at(0);
    const sequence = (newest?.manifest?.sequence ?? 0) + 1;
    const aside = join(this.#dir, `.saving-${name}`);
    try {
      await Deno.mkdir(aside);
      const bytes = await writeCheckpoint(aside, snapshot, {
        sequence,
        periodic,
      });
      // Another history of this run may have left the same step behind.
      await this.#remove(name);
      await Deno.rename(aside, join(this.#dir, name));
      await syncDirectory(this.#dir);
      return bytes;
    } catch (error) {
      // Room for the next attempt; keep the real error.
      await Deno.remove(aside, { recursive: true }).catch(() => {});
      throw error;
    }
  }

  async #point(pointer: "latest" | "best", name: string): Promise<void> {
    await replaceFile(join(this.#dir, pointer), `${name}\n`);
  }

  /** Keeps the current one, the best, and the newest periodic ones. */
  async #prune(current: string): Promise<void> {
    const all = await listCheckpoints(this.#dir);
    const kept = new Set([
      current,
      await readPointer(this.#dir, "best"),
      ...all.filter(({ manifest }) => manifest?.periodic)
        .slice(0, this.#keep)
        .map(({ name }) => name),
    ]);
    for (const { name } of all) {
      if (kept.has(name)) continue;
      // On Windows, one that is being read stays until the next save.
      await this.#remove(name).catch(() => {});
    }
  }

  /** A directory that is half removed must not look like a checkpoint. */
  async #remove(name: string): Promise<void> {
    const removed = join(this.#dir, `.removed-${name}`);
    try {
      await Deno.rename(join(this.#dir, name), removed);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await Deno.remove(removed, { recursive: true });
  }
}
