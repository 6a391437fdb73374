/**
 * One process per run: the lock that the trainer holds while it lives.
 *
 * The operating system frees a file lock when its holder ends, however it
 * ends, so a lock is never stale. The pid in the file is for messages, and
 * decides only where the file system knows no locks.
 *
 * @module
 */

import { dirname } from "node:path";
import { UserError } from "../../base/errors.ts";
import { readLimitedText } from "../../base/limited_file.ts";
import { parseJson } from "../../base/parse_json.ts";
import {
  isAlive,
  ownProcess,
  type ProcessIdentity,
  startMark,
} from "../process/process_info.ts";

import { refuseLinks } from "./refuse_links.ts";

/** A lock that this process holds. */
export interface RunLock {
  /** Frees the lock; a second call does nothing. The file stays. */
  release(): Promise<void>;
}

/** Who trains no more frees the lock in a moment, so try again. */
const ATTEMPTS = 5;
/** Who looks at it does as well, but may be put off by a busy machine. */
const ATTEMPTS_AT_LOOKS = 100;
const RETRY_MS = 50;

/**
 * Takes the lock of a run.
 *
 * @throws {UserError} If another process holds it, or the directory has links.
 */
export async function acquireLock(
  path: string,
  runId: string,
): Promise<RunLock> {
  await refuseLinks(dirname(path));
  const own = { ...await ownProcess(), startMark: await startMark(Deno.pid) };
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    const locked = await takeLock(file, { own, path });
    if (locked !== true) {
      // Read only now: who was faster has written its name meanwhile.
      const holder = await lockHolder(path);
      const free = locked === null && !(holder && await isAlive(holder));
      if (!free) throw alreadyTraining(runId, holder?.pid ?? null);
      writeHolder(file, own);
    }
  } catch (error) {
    file.close();
    throw error;
  }
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      // Deleting the file instead would let two processes lock two files.
      await file.truncate().catch(() => {}); // a full disk still unlocks
      file.close();
    },
  };
}

/**
 * Whether some process holds the lock; null where that cannot be told,
 * because there is no lock file or no locking.
 */
export async function isLocked(path: string): Promise<boolean | null> {
  try {
    if (!(await Deno.stat(path)).isFile) return null; // a pipe makes one wait
    using file = await Deno.open(path, { read: true });
    // A look takes the shared lock, so that two looks do not collide.
    return !await file.tryLock(false);
  } catch {
    return null; // no lock file, none that we may read, or no locks here
  }
}

/** @throws {UserError} If some process holds the lock, who it is. */
export async function checkUnlocked(
  path: string,
  runId: string,
): Promise<void> {
  if (!await isLocked(path)) return;
  throw alreadyTraining(runId, (await lockHolder(path))?.pid ?? null);
}

/** True: taken; false: another has it; null: no locks here. */
async function takeLock(
  file: Deno.FsFile,
  { own, path }: { own: ProcessIdentity; path: string },
): Promise<boolean | null> {
  for (let attempt = 1;; attempt++) {
    // Lock and name in one go: who finds it locked reads by whom.
    let locked: boolean;
    try {
      locked = file.tryLockSync(true);
    } catch {
      return null; // the file system does not support locks
    }
    if (locked) {
      try {
        writeHolder(file, own);
      } catch {
        // A full disk takes no name, but the lock is what counts.
      }
      return true;
    }
    const most = await isHeldByLooks(file, path) ? ATTEMPTS_AT_LOOKS : ATTEMPTS;
    if (attempt >= most) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Who trains has put its name in the file; Windows lets nobody read it. */
async function isHeldByLooks(
  file: Deno.FsFile,
  path: string,
): Promise<boolean> {
  const holder = await lockHolder(path);
  if (holder !== null) return !await isAlive(holder);
  return (await file.stat()).size === 0;
}

function writeHolder(file: Deno.FsFile, holder: ProcessIdentity): void {
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(JSON.stringify(holder) + "\n"));
}

/** The process that a lock names, whether it holds it or not; or null. */
export async function lockHolder(
  path: string,
): Promise<ProcessIdentity | null> {
  try {
    const holder = parseJson(await readLimitedText(path)) as
      | ProcessIdentity
      | null;
    return Number.isSafeInteger(holder?.pid) && holder!.pid > 0 ? holder : null;
  } catch {
    return null; // empty: nobody; unreadable: Windows while it is locked
  }
}

function alreadyTraining(runId: string, pid: number | null): UserError {
  const who = pid === null ? "another process" : `process ${pid}`;
  return new UserError(
    `Cannot train "${runId}": ${who} is already training it`,
    {
      hint: `type hearth attach ${runId} to watch it, or hearth stop ${runId}`,
    },
  );
}
