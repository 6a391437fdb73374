/**
 * Remembers that a graphics driver ended the process.
 *
 * A driver works inside this process. One that crashes leaves nobody who could
 * say so, or take another way, and would do it at every start. So a file in the
 * user's cache says what is being tried: written before, removed after. One
 * that is left, and whose process holds no lock on it any more, is what a crash
 * leaves; a second one in a row means that the driver had better not be taken.
 *
 * `kill -9` and power cuts leave the same, so one is not enough, files are not
 * synced, and all is forgotten after a month, with a new driver, and with a new
 * Hearth. Who exits, even at a second Ctrl+C, removes what it has written, and
 * `hearth stop --now` what the process that it kills had.
 * Nothing here fails: where files cannot be written or locked there are none.
 *
 * @module
 */

import { join } from "node:path";
import { readJson } from "../base/json_file.ts";
import { isRecord } from "../base/parse_json.ts";
import { FULL_VERSION } from "../base/version.ts";
import { cacheFolder } from "./cache_folder.ts";

/** What is known of a driver, and told to later starts. */
export interface DriverTrials {
  /** Why it had better not be taken, in one line; null if it may be. */
  readonly whyNot: string | null;
  /** Something begins that it may crash at; disposed of, that has ended. */
  begin(doing: string): Disposable;
  /** A program has run, and its results are there. */
  answered(): void;
  /** The device is given back. */
  close(): void;
}

/** Of a driver that nothing is kept about. */
export const NO_TRIALS: DriverTrials = {
  whyNot: null,
  begin: () => ({ [Symbol.dispose]() {} }),
  answered() {},
  close() {},
};

/**
 * The same trials, but nothing that works makes crashes forgotten: a driver
 * that does one product may still crash at a model's kernels.
 */
export function unforgiving(trials: DriverTrials): DriverTrials {
  return {
    whyNot: trials.whyNot,
    begin: (doing) => trials.begin(doing),
    answered() {},
    close() {},
  };
}

/** Which driver, of which card. */
export interface TriedDriver {
  /** Its name and version in words, such as `NVIDIA 580.95.05`. */
  readonly driver: string;
  readonly card: string;
  readonly vendorId: string;
  readonly deviceId: string;
}

/** What a file says. */
interface Trial extends TriedDriver {
  readonly hearth: string;
  /** What the driver did, such as `was compiling kernels`. */
  readonly doing: string;
  /** How many crashes in a row its process knew of. */
  readonly earlier: number;
  readonly pid: number;
  readonly host: string | null;
  readonly bootId: string | null;
}

/** A trial that nobody is at any more. */
interface Crash extends Trial {
  readonly path: string;
  readonly at: Date;
}

/** One may be a power cut. */
const ENOUGH_IN_A_ROW = 2;
const KEPT_MS = 30 * 24 * 3600 * 1000;
/** Who has worked for so long works. */
const WORKS_AFTER_MS = 60_000;

/**
 * What a process ends by that its driver has no part in: nothing is unloaded
 * after an error that nobody catches.
 */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

const NAME = /^trial-[0-9a-f]{8}\.json(\.tmp)?$/;

/**
 * The trials of a driver.
 *
 * @param options.again How to ask for it all the same, a flag.
 * @param options.folder Null if there is none.
 */
export async function openDriverTrials(
  driver: TriedDriver,
  { again, folder = cacheFolder() }: { again: string; folder?: string | null },
): Promise<DriverTrials> {
  if (folder === null) return NO_TRIALS;
  const crashes: Crash[] = [];
  for (const name of await namesIn(folder)) {
    const crash = await readCrash(join(folder, name));
    if (crash && isSame(crash, driver)) crashes.push(crash);
  }
  return new TrialsInFolder(driver, { again, folder, crashes });
}

/**
 * Blames no driver for the end of a process of this machine, which was killed
 * on purpose.
 */
export async function forgetTrialsOf(
  pid: number,
  folder: string | null = cacheFolder(),
): Promise<void> {
  if (folder === null) return;
  for (const name of await namesIn(folder)) {
    const crash = await readCrash(join(folder, name));
    if (crash?.pid === pid && isHere(crash)) removeFile(crash.path);
  }
}

class TrialsInFolder implements DriverTrials {
  readonly #driver: TriedDriver;
  readonly #folder: string;
  readonly #again: string;
  #crashes: readonly Crash[];
  /** Trials that are under way. */
  #depth = 0;
  #written: { file: Deno.FsFile; path: string } | null = null;
  #worksSinceMs: number | null = null;

  constructor(
    driver: TriedDriver,
    { again, folder, crashes }: {
      again: string;
      folder: string;
      crashes: readonly Crash[];
    },
  ) {
    this.#driver = driver;
    this.#folder = folder;
    this.#again = again;
    this.#crashes = crashes;
  }

  get whyNot(): string | null {
    const inARow = this.#inARow;
    if (inARow < ENOUGH_IN_A_ROW) return null;
    const { driver, doing, at } = this.#crashes
      .reduce((a, b) => b.at > a.at ? b : a);
    const time = at.toISOString().slice(0, 16).replace("T", " ");
    return `Hearth ended ${inARow} times in a row while driver ${driver} ` +
      `${doing}, last on ${time} UTC (${this.#again} tries it again)`;
  }

  begin(doing: string): Disposable {
    if (this.#depth++ === 0) this.#write(doing);
    return {
      [Symbol.dispose]: () => {
        if (--this.#depth === 0) this.#remove();
      },
    };
  }

  answered(): void {
    if (this.#depth > 0 || this.#crashes.length === 0) return;
    const now = performance.now();
    this.#worksSinceMs ??= now;
    if (now - this.#worksSinceMs >= WORKS_AFTER_MS) this.#forgive();
  }

  close(): void {
    if (this.#worksSinceMs !== null) this.#forgive();
  }

  /** Processes that began one after the other had ended. */
  get #inARow(): number {
    return this.#crashes.reduce((n, one) => Math.max(n, one.earlier + 1), 0);
  }

  #write(doing: string): void {
    const trial: Trial = {
      ...this.#driver,
      hearth: FULL_VERSION,
      ...{ doing, earlier: this.#inARow, pid: Deno.pid, ...thisMachine() },
    };
    const id = crypto.randomUUID().slice(0, 8);
    const path = join(this.#folder, `trial-${id}.json`);
    const aside = `${path}.tmp`;
    let file: Deno.FsFile | null = null;
    try {
      Deno.mkdirSync(this.#folder, { recursive: true });
      file = Deno.openSync(aside, { write: true, createNew: true });
      // Before anybody can see it: without a lock it means a crash.
      if (!file.tryLockSync(true)) throw new Error("no locks");
      file.writeSync(new TextEncoder().encode(JSON.stringify(trial) + "\n"));
      Deno.renameSync(aside, path);
      this.#written = { file, path };
      for (const end of ENDS) globalThis.addEventListener(end, this.#remove);
    } catch {
      file?.close(); // full, read-only, not permitted: go on without
      removeFile(aside);
    }
  }

  readonly #remove = (): void => {
    if (!this.#written) return;
    const { file, path } = this.#written;
    this.#written = null;
    for (const end of ENDS) globalThis.removeEventListener(end, this.#remove);
    removeFile(path); // while it is locked
    file.close();
  };

  #forgive(): void {
    for (const { path } of this.#crashes) removeFile(path);
    this.#crashes = [];
    this.#worksSinceMs = null;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.map(({ name }) => name).filter((name) => NAME.test(name));
  } catch {
    return []; // there is none, or it may not be read
  }
}

/** What a file tells of a crash; null if it tells of none. */
async function readCrash(path: string): Promise<Crash | null> {
  try {
    using file = await Deno.open(path, { read: true });
    if (!await file.tryLock(false)) return null; // somebody is at it
    // Who has ended well since it was opened has removed it.
    const { mtime } = await Deno.stat(path);
    if (!mtime) return null;
    // Or in a month: of a clock that was wrong, and would keep it for ever.
    if (Math.abs(Date.now() - mtime.getTime()) > KEPT_MS) {
      removeFile(path);
      return null;
    }
    const trial = await readJson(path);
    return isTrial(trial) ? { ...trial, path, at: mtime } : null;
  } catch {
    return null; // gone, damaged by a power cut, or there are no locks
  }
}

function isTrial(value: unknown): value is Trial {
  return isRecord(value) && typeof value.doing === "string" &&
    Number.isSafeInteger(value.earlier) && (value.earlier as number) >= 0;
}

/** Whether a crash is this driver's, with this Hearth, on this machine. */
function isSame(crash: Crash, driver: TriedDriver): boolean {
  return crash.driver === driver.driver && crash.card === driver.card &&
    crash.vendorId === driver.vendorId && crash.deviceId === driver.deviceId &&
    crash.hearth === FULL_VERSION && isHere(crash);
}

/** Machines share homes, and containers of one machine have other names. */
function isHere(crash: Crash): boolean {
  const { host, bootId } = thisMachine();
  return crash.host === host || bootId !== null && crash.bootId === bootId;
}

let known: Pick<Trial, "host" | "bootId"> | undefined;

function thisMachine(): Pick<Trial, "host" | "bootId"> {
  const orNull = (read: () => string) => {
    try {
      return read().trim();
    } catch {
      return null; // not permitted, or there is no such thing
    }
  };
  return known ??= {
    host: orNull(() => Deno.hostname()),
    bootId: orNull(() =>
      Deno.readTextFileSync("/proc/sys/kernel/random/boot_id")
    ),
  };
}

/** Removes a file, if it is there and may be removed. */
function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was not to be: as bad as a crash, of which one does no harm.
  }
}
