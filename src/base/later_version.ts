/**
 * Files that a later version of this program wrote: they are left alone, and
 * whoever asks is told so.
 *
 * @module
 */

import { UserError } from "./errors.ts";
import { VERSION } from "./version.ts";

/** Not damage: no copy, and no older file, may take its place. */
export class LaterVersion extends UserError {
  /**
   * An error to throw.
   *
   * @param path The file.
   * @param options.why How that shows.
   * @param options.writer Version of the program that wrote it, if known.
   */
  constructor(
    path: string,
    { why, writer }: { why: string; writer?: unknown },
  ) {
    super(
      `Cannot read "${path}": a later version of Hearth wrote it (${why})`,
      {
        hint: isLater(writer)
          ? `update Hearth to ${writer}; this is ${VERSION}`
          : `update Hearth; this is ${VERSION}`,
      },
    );
  }
}

/**
 * Refuses a JSON file whose `version` is above the one that is read here.
 *
 * @throws {LaterVersion}
 */
export function refuseLater(
  value: unknown,
  path: string,
  { known, writer }: { known: number; writer?: unknown },
): void {
  const version = (value as { version?: unknown } | null | undefined)?.version;
  if (!Number.isSafeInteger(version) || version as number <= known) return;
  throw new LaterVersion(path, {
    why: `format ${version}, this one reads ${known}`,
    writer,
  });
}

/** Whether `writer` is a version such as 1.2.3 that comes after this one. */
export function isLater(writer: unknown): writer is string {
  const theirs = numbersOf(writer), ours = numbersOf(VERSION);
  if (theirs === null || ours === null) return false;
  const at = theirs.findIndex((part, i) => part !== ours[i]);
  return at >= 0 && theirs[at] > ours[at];
}

function numbersOf(version: unknown): number[] | null {
  if (typeof version !== "string") return null;
  const parts = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})$/.exec(version)?.slice(1);
  return parts?.map(Number) ?? null;
}
