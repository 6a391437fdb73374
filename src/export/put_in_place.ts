/**
 * An export under its final name once it is whole, and what a killed process
 * leaves beside it.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { syncDirectory } from "../base/atomic_file.ts";
import { exists } from "../base/exists.ts";
import { unlessGone } from "../base/unless_gone.ts";
import { isAlive } from "../run/process/process_info.ts";

/** What is being written, and what it takes the place of. */
const ASIDE = /^\.(tmp|old)-(\d+)$/;

/**
 * Writes beside `output`, and renames once all is on disk; what was there
 * before goes.
 *
 * @returns What `write` returns.
 */
export async function putInPlace<T>(
  output: string,
  write: (aside: string) => Promise<T>,
): Promise<T> {
  const aside = `${output}.tmp-${Deno.pid}`;
  try {
    const written = await write(aside);
    const before = `${output}.old-${Deno.pid}`;
    // A folder cannot be renamed over another.
    const replaced = await Deno.rename(output, before)
      .then(() => true, () => false);
    try {
      await Deno.rename(aside, output);
    } catch (error) {
      if (replaced) await Deno.rename(before, output);
      throw error;
    }
    await syncDirectory(dirname(output));
    if (replaced) await Deno.remove(before, { recursive: true });
    return written;
  } catch (error) {
    await Deno.remove(aside, { recursive: true }).catch(() => {}); // keep error
    throw error;
  }
}

/**
 * Removes what processes that were killed have left of an export to `output`,
 * and puts back what one of them had moved aside for it. That of a process at
 * work stays.
 */
export async function clearAside(output: string): Promise<void> {
  const parent = dirname(output);
  const entries = await Array.fromAsync(Deno.readDir(parent)).catch(() => []);
  for (const { name } of entries) {
    if (!name.startsWith(basename(output))) continue;
    const [, kind, pid] = ASIDE.exec(name.slice(basename(output).length)) ?? [];
    if (kind === undefined || await isAtWork(Number(pid))) continue;
    const path = join(parent, name);
    if (kind === "old" && !await exists(output)) {
      await Deno.rename(path, output);
    } else {
      await unlessGone(Deno.remove(path, { recursive: true }));
    }
  }
}

/** This process has not begun yet, so its pid is that of an earlier one. */
async function isAtWork(pid: number): Promise<boolean> {
  return pid !== Deno.pid && await isAlive({ pid, processStartedAt: null });
}
