/**
 * What the file system complains about, in words for the person at the
 * keyboard.
 *
 * @module
 */

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

/** The system's name of a failure, such as `ENOSPC`, or null. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** Such as `the disk is full`; null if the person can do nothing about it. */
export function ioProblem(error: unknown): string | null {
  return PROBLEMS[errorCode(error) ?? ""] ?? null;
}

/** Whether there was no room: on the disk, or in a person's share of it. */
export function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "");
}
