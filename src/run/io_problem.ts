/**
 * What the file system complains about, in words for the person at the
 * keyboard.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";

const PROBLEMS: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "a file is in the way",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many files are open",
  EIO: "the disk reports an error",
};

/** Such as `the disk is full`; null if the person can do nothing about it. */
export function ioProblem(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? PROBLEMS[code] ?? null : null;
}

/**
 * Runs `work`, which makes `path` ready before anything is computed.
 *
 * @throws {UserError} For what {@linkcode ioProblem} knows; the place that was
 * chosen is of no use, so the exit code is that of wrong input.
 */
export async function explainingIo<T>(
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const problem = ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot write to "${path}": ${problem}`, {
      hint: "make it writable, or choose another place with --root DIR",
      exitCode: EXIT.usage,
      cause,
    });
  }
}
