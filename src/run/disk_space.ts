/**
 * Room on the disk, asked for before it is needed.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { EXIT, UserError } from "../base/errors.ts";
import { formatBytes } from "../base/format.ts";

/** Bytes that may still be written at a path; null where nobody can tell. */
export type FreeBytes = (path: string) => Promise<number | null>;

/** Asks the file system of `path`, or of its nearest existing parent. */
export const freeBytes: FreeBytes = async (path) => {
  for (let at = path;; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch {
      // Not there yet: its parent is. Not even the root: unknown.
      if (dirname(at) === at) return null;
    }
  }
};

/**
 * How many times `neededBytes` fit on the disk of `path`; Infinity where
 * nobody can tell.
 *
 * @param what For the message: `checkpoint "step-00000500"`.
 * @throws {UserError} If not even one does.
 */
export async function requireSpace(
  path: string,
  { neededBytes, what, free = freeBytes, exitCode = EXIT.failed }: {
    neededBytes: number;
    what: string;
    free?: FreeBytes;
    exitCode?: UserError["exitCode"];
  },
): Promise<number> {
  const available = await free(path);
  if (available === null) return Infinity;
  if (available >= neededBytes) return Math.floor(available / neededBytes);
  throw new UserError(
    `No room for ${what} in "${path}": it needs ${formatBytes(neededBytes)}, ` +
      `${formatBytes(available)} are free`,
    { hint: "free some space, or use another disk with --root DIR", exitCode },
  );
}
