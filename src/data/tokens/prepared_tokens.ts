/**
 * Prepared data sets on disk: `data/tokens/<hash>/`.
 *
 * Each is one source under one split and one tokenizer, whatever it is mixed
 * with, and holds train.bin, val.bin (see token_file.ts), tokenizer.json and
 * header.json. The directory appears by one rename with all of it inside, so
 * one without a valid header is not ours and is left alone. Contents are
 * checked by sha256 before use, some 1.5 GB/s.
 *
 * @module
 */

import { join } from "node:path";
import { z } from "zod";
import { readLimitedText } from "../../base/limited_file.ts";
import { parseJson } from "../../base/parse_json.ts";
import type { CheckedFile } from "../corpus.ts";
import { entryNames, removeLeftovers } from "../disk/workspace.ts";
import { fileKey } from "../text/file_bytes.ts";
import { TOKEN_BYTES } from "./token_file.ts";

/** Names every file: room for a few hundred thousand. */
const MOST_HEADER_BYTES = 128 << 20;

const count = z.int().min(0);
const sideSchema = z.object({
  tokens: count,
  bytes: count,
  sha256: z.string(),
});

const headerSchema = z.object({
  version: z.literal(2),
  /** See `partFingerprint`. */
  fingerprint: z.string(),
  /** Text and settings the tokenizer was trained from; null: it was given. */
  tokenizerKey: z.string().nullable(),
  tokenizer: z.object({
    type: z.string(),
    vocabSize: count,
    fingerprint: z.string(),
  }),
  dtype: z.enum(["u16", "u32"]),
  /** As the user named it. */
  source: z.string(),
  /** The part of it for validation: 0 none, 1 all. */
  valFraction: z.number().min(0).max(1),
  /** Files as they were when read, to know them again without reading. */
  files: z.array(z.object({
    /** With what is read of it; see `fileKey`. */
    path: z.string(),
    sizeBytes: count,
    mtimeMs: z.number(),
    sha256: z.string(),
    textBytes: count,
  })),
  train: sideSchema,
  val: sideSchema,
  /** When the files were listed, milliseconds since 1970. */
  listedAtMs: z.number(),
});

/** What headers of all versions tell, and no other file does. */
const sizesSchema = headerSchema.pick({
  fingerprint: true,
  tokenizerKey: true,
  dtype: true,
  train: true,
  val: true,
}).extend({ version: z.int() });

/** `header.json`. */
export type PreparedHeader = z.output<typeof headerSchema>;

/** A text file as it was when it was read. */
export type FileRecord = PreparedHeader["files"][number];

/** What the header keeps of a file. */
export function fileRecord(file: CheckedFile): FileRecord {
  const { sizeBytes, mtimeMs, sha256, textBytes } = file;
  return { path: fileKey(file), sizeBytes, mtimeMs, sha256, textBytes };
}

/** A prepared data set on disk. */
export interface Prepared {
  directory: string;
  header: PreparedHeader;
}

/** Where prepared data sets live. */
export function tokensDirectory(dataDir: string): string {
  return join(dataDir, "tokens");
}

/** Paths of the files of one prepared data set. */
export function preparedPaths(directory: string) {
  return {
    header: join(directory, "header.json"),
    tokenizer: join(directory, "tokenizer.json"),
    train: join(directory, "train.bin"),
    val: join(directory, "val.bin"),
  };
}

/** Bytes on disk of the tokens of a prepared data set. */
export function preparedBytes(
  { dtype, train, val }: Pick<PreparedHeader, "dtype" | "train" | "val">,
): number {
  return (train.tokens + val.tokens) * TOKEN_BYTES[dtype];
}

/** All prepared data sets below `dataDir`, by directory name. */
export async function listPrepared(dataDir: string): Promise<Prepared[]> {
  const parent = tokensDirectory(dataDir);
  const found: Prepared[] = [];
  for (const name of await entryNames(parent)) {
    if (name.startsWith(".")) continue;
    const prepared = await readPrepared(join(parent, name));
    if (prepared !== null) found.push(prepared);
  }
  return found;
}

/** Null where there is no header, or one of another version. */
export async function readPrepared(
  directory: string,
): Promise<Prepared | null> {
  const header = headerSchema.safeParse(await readHeader(directory)).data;
  return header === undefined ? null : { directory, header };
}

/** Null for one that is not there or cut short: then nothing is prepared. */
async function readHeader(directory: string): Promise<unknown> {
  try {
    const path = preparedPaths(directory).header;
    return parseJson(await readLimitedText(path, MOST_HEADER_BYTES));
  } catch {
    return null;
  }
}

/**
 * Removes all prepared data sets, of other versions of this program too, and
 * leftovers of killed processes.
 *
 * @returns How many data sets, and the bytes of their tokens.
 */
export async function cleanPrepared(
  dataDir: string,
): Promise<{ removed: number; freedBytes: number }> {
  const parent = tokensDirectory(dataDir);
  let removed = 0, freedBytes = 0;
  for (const name of await entryNames(parent)) {
    if (name.startsWith(".")) continue;
    const directory = join(parent, name);
    const header = sizesSchema.safeParse(await readHeader(directory)).data;
    if (header === undefined) continue; // not ours
    await Deno.remove(directory, { recursive: true });
    removed++;
    freedBytes += preparedBytes(header);
  }
  await removeLeftovers(parent);
  return { removed, freedBytes };
}
