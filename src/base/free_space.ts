/**
 * Room on the disk, asked for before it is needed.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { EXIT, UserError } from "./errors.ts";
import { formatUnequalBytes } from "./format.ts";

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
 * The error of a disk that is too full.
 *
 * @param what For the message: `checkpoint "step-00000500"`.
 */
export function noRoom(
  path: string,
  { neededBytes, availableBytes, what, exitCode = EXIT.failed }: {
    neededBytes: number;
    availableBytes: number;
    what: string;
    exitCode?: UserError["exitCode"];
  },
): UserError {
  const [needed, free] = formatUnequalBytes(neededBytes, availableBytes);
  return new UserError(
    `No room for ${what} in "${path}": it needs ${needed}, ${free} are free`,
    { hint: "free some space, or use another disk with --root DIR", exitCode },
  );
}
