/**
 * Whether prepared data is still what was written, and fits its tokenizer.
 *
 * Checksums tell damage, not intent: who can change the tokens can change the
 * header, too. So lengths and ids are looked at as well, in the same pass; an
 * id that the model has no row for would end the training.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { errorMessage } from "../../base/errors.ts";
import { errorCode } from "../../base/io_problem.ts";
import { type Prepared, preparedPaths } from "./prepared_tokens.ts";
import { TOKEN_BYTES, type TokenDtype } from "./token_file.ts";

/** Read at a time: whole ids, and small enough to stay in the cache. */
const CHUNK_BYTES = 1 << 20;

/** What a file must be. */
interface Expected {
  path: string;
  sha256: string;
  /** Of tokens: how many, and below which number all of them are. */
  ids?: { tokens: number; dtype: TokenDtype; below: number };
}

/**
 * What is wrong with the contents of a prepared data set, or null.
 *
 * Reads all of it; `onBytes` hears of the progress.
 *
 * @param options.vocabSize Of the tokenizer that it is to be used with.
 */
export async function findDamage(
  { directory, header }: Prepared,
  { vocabSize, onBytes, signal }: {
    vocabSize: number;
    onBytes?: (count: number) => void;
    signal?: AbortSignal;
  },
): Promise<string | null> {
  const paths = preparedPaths(directory);
  const { dtype } = header;
  const tokensOf = (side: "train" | "val"): Expected => ({
    path: paths[side],
    sha256: header[side].sha256,
    ids: { tokens: header[side].tokens, dtype, below: vocabSize },
  });
  const expected: Expected[] = [
    tokensOf("train"),
    tokensOf("val"),
    { path: paths.tokenizer, sha256: header.tokenizer.fingerprint },
  ];
  for (const one of expected) {
    const name = basename(one.path);
    try {
      const problem = await problemOf(one, (count) => {
        signal?.throwIfAborted();
        onBytes?.(count);
      });
      if (problem !== null) return `${name} ${problem}`;
    } catch (error) {
      signal?.throwIfAborted();
      return errorCode(error) === "ENOENT"
        ? `${name} is missing`
        : `${name} cannot be read: ${errorMessage(error)}`;
    }
  }
  return null;
}

async function problemOf(
  { path, sha256, ids }: Expected,
  onBytes: (count: number) => void,
): Promise<string | null> {
  const { isFile, size } = await Deno.stat(path);
  // A pipe would never end.
  if (!isFile || ids && size !== ids.tokens * TOKEN_BYTES[ids.dtype]) {
    return "is not what was written";
  }
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let largest = -1;
  using file = await Deno.open(path, { read: true });
  for (;;) {
    const length = await fill(chunk, file);
    if (length === 0) break;
    hash.update(chunk.subarray(0, length));
    if (ids) largest = Math.max(largest, largestId(chunk, length, ids.dtype));
    onBytes(length);
  }
  if (hash.digest("hex") !== sha256) return "is not what was written";
  return ids && largest >= ids.below
    ? `has the id ${largest}, the tokenizer ${ids.below} ids`
    : null;
}

/** Reads until the chunk is full or the file ends. @returns How much. */
async function fill(chunk: Uint8Array, file: Deno.FsFile): Promise<number> {
  let length = 0;
  while (length < chunk.length) {
    const read = await file.read(chunk.subarray(length));
    if (read === null) break;
    length += read;
  }
  return length;
}

function largestId(
  { buffer }: Uint8Array<ArrayBuffer>,
  length: number,
  dtype: TokenDtype,
): number {
  const count = Math.floor(length / TOKEN_BYTES[dtype]);
  const ids = dtype === "u16"
    ? new Uint16Array(buffer, 0, count)
    : new Uint32Array(buffer, 0, count);
  let largest = 0;
  for (let i = 0; i < count; i++) if (ids[i] > largest) largest = ids[i];
  return largest;
}
