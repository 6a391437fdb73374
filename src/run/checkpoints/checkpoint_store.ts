/**
 * The checkpoints of one run, as the process that trains it sees them.
 *
 * A checkpoint is written to a directory that nobody looks into, sealed,
 * renamed to its name, and only then pointed to by `latest` and `best`. A
 * crash at any moment leaves the older checkpoints as they were, and at most
 * a leftover that the next save removes. What `latest` or `best` name is never
 * removed, and nothing is that cannot be read. The lock of the run must be
 * held.
 *
 * @module
 */

import { join } from "node:path";
import {
  makeDirectories,
  replaceFile,
  syncDirectory,
} from "../../base/atomic_file.ts";
import { EXIT } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import { type FreeBytes, freeBytes, noRoom } from "../../base/free_space.ts";
import { isDiskFull } from "../../base/io_problem.ts";
import { sizeBytesOf } from "../../base/safetensors.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import type { SavedCheckpoint, SaveInfo } from "../../train/saving.ts";
import type { SnapshotSource } from "../../train/snapshot.ts";
import { clearLeftovers, replacedName } from "../files/leftovers.ts";
import { checkpointName, writeCheckpoint } from "./checkpoint_files.ts";
import {
  type CheckpointEntry,
  listCheckpoints,
  type LoadedCheckpoint,
  readPointer,
} from "./checkpoint_list.ts";
import { dispensable, spaceOf, unkept } from "./checkpoint_policy.ts";

/** Why and when a checkpoint is saved. */
export type StoreInfo =
  & Omit<SaveInfo, "final">
  & Partial<Pick<SaveInfo, "final">>;

/** What the disk is asked for. */
export interface StoreOptions {
  /** Newest periodic checkpoints that stay. */
  keep: number;
  /** `best` is pointed to. */
  keepBest?: boolean;
  /** What one checkpoint takes at most, until one has been written. */
  neededBytes: number;
  /** The run's `meta.json`, of which each checkpoint has a copy. */
  meta?: object | null;
  /** Names of checkpoints that other runs cannot do without. */
  needed?: () => Promise<ReadonlySet<string>>;
  /** Hears what the person should know. */
  warn?: (message: string) => void;
  free?: FreeBytes;
}

/** Saves into one directory and keeps it tidy. */
export class CheckpointStore {
  readonly #dir: string;
  readonly #options: Required<StoreOptions>;
  /** What is on disk under a step's name is this run's state at that step. */
  #current: SavedCheckpoint | null = null;
  /** What `best` should name, even if the file is lost meanwhile. */
  #best: string | null = null;

  /** @param dir `checkpoints/<run-id>`; made by the first save. */
  constructor(dir: string, options: StoreOptions) {
    this.#dir = dir;
    this.#options = {
      keepBest: true,
      meta: null,
      needed: () => Promise.resolve(new Set()),
      warn: () => {},
      free: freeBytes,
      ...options,
    };
  }

  /**
   * @param otherBytes What else will be written to the disk meanwhile.
   * @returns A warning, if the disk has room for fewer checkpoints than are
   * kept at a time, or null.
   * @throws {UserError} If it has room for none.
   */
  async checkRoom(otherBytes = 0): Promise<string | null> {
    const { keep, neededBytes, free } = this.#options;
    const availableBytes = await free(this.#dir);
    if (availableBytes === null) return null;
    if (availableBytes < neededBytes) {
      // Nothing is computed yet: this root is the wrong choice.
      const what = "a checkpoint", exitCode = EXIT.usage;
      throw noRoom(this.#dir, { neededBytes, availableBytes, what, exitCode });
    }
    const left = Math.max(0, availableBytes - otherBytes);
    const room = Math.floor(left / neededBytes);
    // Besides those that are kept: the best one, and the one being written.
    const most = keep + 2;
    const present = (await listCheckpoints(this.#dir)).length;
    if (present + room >= most) return null;
    return `Room on the disk for more checkpoints of ` +
      `${formatBytes(neededBytes)}: ${room}` +
      (otherBytes > 0 ? `, besides ${formatBytes(otherBytes)} of log` : "") +
      `; the run keeps up to ${most}, ${present} are there`;
  }

  /**
   * Goes on from a checkpoint that was loaded: it is `latest` from now on,
   * even if others have done more steps. Who was killed after a save may not
   * have come to remove what that made superfluous, and a run that is at its
   * end does not save again.
   */
  async adopt(checkpoint: LoadedCheckpoint<SnapshotSource>): Promise<void> {
    const { name, sizeBytes, content } = checkpoint;
    await clearLeftovers(this.#dir);
    await this.#point("latest", name);
    this.#current = { name, sizeBytes };
    if (this.#options.keepBest) {
      await this.#findBest(name, content.trainer.bestStep);
    }
    await this.#prune();
  }

  /**
   * Saves and points to a snapshot, and removes what is no longer kept. The
   * step that was saved or adopted last is only pointed to.
   *
   * @throws {UserError} If the disk has no room.
   */
  async save(
    snapshot: SnapshotSource,
    info: StoreInfo,
  ): Promise<SavedCheckpoint> {
    const name = checkpointName(info.step);
    if (this.#current?.name === name) {
      if (info.best) await this.#pointBest(name);
      return this.#current;
    }
    await this.#makeRoom(name, info);
    await makeDirectories(this.#dir);
    await clearLeftovers(this.#dir);
    const sizeBytes = await this.#write(name, snapshot, info);
    await this.#pointLatest(name, info);
    this.#current = { name, sizeBytes };
    if (info.best) {
      await this.#pointBest(name);
    } else if (this.#best === name) { // the best of another history
      await this.#findBest(name, snapshot.trainer.bestStep);
    }
    await this.#prune();
    return this.#current;
  }

  /** Writes a checkpoint under its name, and to the disk for good. */
  async #write(
    name: string,
    snapshot: SnapshotSource,
    info: StoreInfo,
  ): Promise<number> {
    try {
      return await this.#put(name, snapshot, info);
    } catch (error) {
      // The disk may have been filled meanwhile, or a quota is used up.
      if (!isDiskFull(error)) throw error;
      if (!await this.#giveUp(tensorBytes(snapshot), info)) throw error;
      return await this.#put(name, snapshot, info);
    }
  }

  async #put(
    name: string,
    snapshot: SnapshotSource,
    { periodic }: StoreInfo,
  ): Promise<number> {
    const newest = (await listCheckpoints(this.#dir)).at(0);
    const sequence = (newest?.manifest?.sequence ?? 0) + 1;
    const aside = join(this.#dir, `.saving-${name}`);
    try {
      await Deno.mkdir(aside);
      const bytes = await writeCheckpoint(aside, snapshot, {
        sequence,
        periodic,
        meta: this.#options.meta,
      });
      // Another history of this run may have left the same step behind.
      await this.#move(name, replacedName(name));
      await Deno.rename(aside, join(this.#dir, name));
      await syncDirectory(this.#dir);
      // What cannot be deleted now is before the next save.
      await this.#delete(replacedName(name)).catch(() => {});
      return bytes;
    } catch (error) {
      // Room for the next attempt; keep the real error.
      await clearLeftovers(this.#dir).catch(() => {});
      throw error;
    }
  }

  /** @throws {UserError} If there is none, and none can be made. */
  async #makeRoom(name: string, info: StoreInfo): Promise<void> {
    const { neededBytes: atMost, free } = this.#options;
    const neededBytes = this.#current
      ? Math.min(atMost, spaceOf(this.#current))
      : atMost;
    const availableBytes = await free(this.#dir);
    if (availableBytes === null || availableBytes >= neededBytes) return;
    if (await this.#giveUp(neededBytes - availableBytes, info)) return;
    const what = `checkpoint "${name}"`;
    throw noRoom(this.#dir, { neededBytes, availableBytes, what });
  }

  /**
   * Removes what a save may cost, oldest first, until so many bytes are free;
   * nothing at all if that is not enough.
   *
   * @param options.written The checkpoint that there is to be room for, once it
   * is there: spared even if the disk fails to read it back now.
   */
  async #giveUp(
    bytes: number,
    info: StoreInfo,
    { written }: { written?: string } = {},
  ): Promise<boolean> {
    const spared = await this.#pointedTo();
    if (written !== undefined) spared.add(written);
    const { keep } = this.#options;
    const spare = await dispensable(this.#dir, { keep, spared, ...info });
    const chosen: CheckpointEntry[] = [];
    let freed = 0;
    for (const { entry, spaceBytes } of spare) {
      if (freed >= bytes) break;
      chosen.push(entry);
      freed += spaceBytes;
    }
    if (freed < bytes) return false;
    for (const { name } of chosen) await this.#remove(name);
    if (info.final) {
      const names = chosen.map(({ name }) => name).join(", ");
      this.#options.warn(
        `Removed ${names}: the disk has no room for the last checkpoint, ` +
          `${checkpointName(info.step)}, besides`,
      );
    }
    return true;
  }

  /**
   * Makes `best` name what it should, where a crash or a person has left it
   * otherwise: the best step of the history that `current` belongs to. While
   * there is a newer history, `best` stays with that one.
   */
  async #findBest(current: string, bestStep: number | null): Promise<void> {
    const all = await listCheckpoints(this.#dir);
    const sequenceOf = (name: string) =>
      all.find((entry) => entry.name === name)?.manifest?.sequence;
    const pointed = await readPointer(this.#dir, "best");
    const isSound = pointed !== null && sequenceOf(pointed) !== undefined;
    this.#best = isSound ? pointed : null;
    if (bestStep === null || isSound && all[0].name !== current) return;
    const name = checkpointName(bestStep);
    // A later history may have saved a step of that name, too.
    const isOwn = (sequenceOf(name) ?? Infinity) <= (sequenceOf(current) ?? 0);
    if (isOwn) await this.#pointBest(name);
  }

  /** The checkpoint may have taken the last room, and log and state more. */
  async #pointLatest(name: string, info: StoreInfo): Promise<void> {
    try {
      await this.#point("latest", name);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (!await this.#giveUp(1, info, { written: name })) throw error;
      await this.#point("latest", name);
    }
  }

  async #pointBest(name: string): Promise<void> {
    this.#best = name;
    await this.#point("best", name);
  }

  async #point(pointer: "latest" | "best", name: string): Promise<void> {
    // A disk that is full has no room for what is there already.
    if (await readPointer(this.#dir, pointer) === name) return;
    await replaceFile(join(this.#dir, pointer), `${name}\n`);
  }

  /** What is never removed. */
  async #pointedTo(): Promise<Set<string | null>> {
    return new Set([
      ...await this.#options.needed(),
      this.#current?.name ?? null,
      this.#best,
      await readPointer(this.#dir, "latest"),
      await readPointer(this.#dir, "best"),
    ]);
  }

  async #prune(): Promise<void> {
    const all = await listCheckpoints(this.#dir);
    const spared = await this.#pointedTo();
    for (const { name } of unkept(all, { keep: this.#options.keep, spared })) {
      // On Windows, one that is being read stays until the next save.
      await this.#remove(name).catch(() => {});
    }
  }

  /** A directory that is half removed must not look like a checkpoint. */
  async #remove(name: string): Promise<void> {
    const removed = `.removed-${name}`;
    await this.#move(name, removed);
    await this.#delete(removed);
  }

  /** Renames within the directory, if there is something of that name. */
  async #move(from: string, to: string): Promise<void> {
    await unlessGone(Deno.rename(join(this.#dir, from), join(this.#dir, to)));
  }

  /** Deletes what has been moved aside, if anything has. */
  async #delete(name: string): Promise<void> {
    await unlessGone(Deno.remove(join(this.#dir, name), { recursive: true }));
  }
}

/** All but a little of what a checkpoint takes. */
function tensorBytes({ params, optimizer }: SnapshotSource): number {
  return [...params, ...optimizer]
    .reduce((sum, tensor) => sum + sizeBytesOf(tensor), 0);
}
