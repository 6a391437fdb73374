/**
 * Text files that are small when they are what they should be.
 *
 * @module
 */

import { formatBytes, formatUnequalBytes } from "./format.ts";

/** Configurations, states, manifests: mostly some kB. */
const SMALL_FILE_BYTES = 16 << 20;
/** Vocabularies: the largest there are have some 35 MB. */
export const LARGE_FILE_BYTES = 256 << 20;

/** A file that is not of the kind, or not of the size, that it should be. */
export class UnexpectedFile extends Error {
  override readonly name = "UnexpectedFile";
}

/**
 * The text of a file, read in whole. A file that is none (a pipe would never
 * end) or is far too large is refused before it is read.
 *
 * @throws {UnexpectedFile} In these cases.
 */
export async function readLimitedText(
  path: string,
  maxBytes: number = SMALL_FILE_BYTES,
): Promise<string> {
  const { isFile, isDirectory, size } = await Deno.stat(path);
  // A directory gets the system's own words.
  if (!isFile && !isDirectory) {
    throw new UnexpectedFile("it is not a regular file");
  }
  if (size > maxBytes) {
    const [is, most] = formatUnequalBytes(size, maxBytes);
    throw new UnexpectedFile(`it is ${is}, expected at most ${most}`);
  }
  return await Deno.readTextFile(path);
}

/**
 * The text of a file or a pipe, given up as soon as it is too long.
 *
 * @throws {UnexpectedFile} In that case.
 */
export async function readShortText(
  path: string,
  maxBytes: number,
): Promise<string> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(maxBytes + 1);
  let length = 0;
  for (;;) {
    const read = await file.read(bytes.subarray(length));
    if (read === null) break;
    length += read;
    if (length <= maxBytes) continue;
    throw new UnexpectedFile(
      `it has more than ${formatBytes(maxBytes)}, the most that is read`,
    );
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}
