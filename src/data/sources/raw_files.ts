/**
 * Downloads on disk: `data/raw/`.
 *
 * Each data set has a directory with `source.json`, which says what is known
 * of it, and its files. A file has its name only when it is whole: see
 * net/download.ts. Files of the hub lie in a directory named by their
 * checksum, so two revisions share what they have in common and a file never
 * changes.
 *
 * @module
 */

import { join } from "node:path";
import { z } from "zod";
import { makeDirectories, replaceFile } from "../../base/atomic_file.ts";
import { readLimitedText } from "../../base/limited_file.ts";
import { parseJson } from "../../base/parse_json.ts";
import { entryNames, removeLeftovers } from "../disk/workspace.ts";
import { writeFailure } from "../file_errors.ts";
import { hubListingSchema } from "../hub/listing.ts";

/** Of a `source.json`: room for a million files. */
const MOST_BYTES = 400 << 20;

const urlRecordSchema = z.object({
  version: z.literal(1),
  url: z.string(),
  /** Name of the file in its directory. */
  file: z.string(),
  sizeBytes: z.int().min(0),
  sha256: z.string(),
  fetchedAtMs: z.number(),
});

/** What is kept of a file from an address. */
export type UrlRecord = z.output<typeof urlRecordSchema>;

const recordSchema = z.union([hubListingSchema, urlRecordSchema]);

/** A data set in `data/raw/`. */
export interface RawDataset {
  directory: string;
  /** `hf:Salesforce/wikitext` or an address. */
  from: string;
  /** Whole files, and bytes of all, unfinished ones included. */
  files: number;
  bytes: number;
  unfinished: number;
}

/** Where downloads are kept. */
export function rawDirectory(dataDir: string): string {
  return join(dataDir, "raw");
}

/** Reads a `source.json`; null where there is none that is understood. */
export async function readRecord<T>(
  directory: string,
  schema: z.ZodType<T>,
): Promise<T | null> {
  try {
    const text = await readLimitedText(recordPath(directory), MOST_BYTES);
    return schema.safeParse(parseJson(text)).data ?? null;
  } catch {
    return null; // not there or cut short: then it is asked for again
  }
}

/** Reads the record of an address. */
export async function readUrlRecord(
  directory: string,
): Promise<UrlRecord | null> {
  return await readRecord(directory, urlRecordSchema);
}

/** Writes a `source.json`. @throws {UserError} When the disk is full. */
export async function writeRecord(
  directory: string,
  record: z.output<typeof recordSchema>,
): Promise<void> {
  try {
    await makeDirectories(directory);
    await replaceFile(recordPath(directory), JSON.stringify(record, null, 1));
  } catch (error) {
    throw writeFailure(directory, error);
  }
}

/** All downloads below `dataDir`, by directory name. */
export async function listRaw(dataDir: string): Promise<RawDataset[]> {
  const parent = rawDirectory(dataDir);
  const found: RawDataset[] = [];
  for (const name of await entryNames(parent)) {
    if (name.startsWith(".")) continue; // in the making, or left behind
    const directory = join(parent, name);
    const stat = await Deno.stat(directory).catch(() => null);
    if (!stat?.isDirectory) continue;
    const record = await readRecord(directory, recordSchema);
    const dataset: RawDataset = {
      directory,
      from: record === null ? name : sourceOf(record),
      files: 0,
      bytes: 0,
      unfinished: 0,
    };
    await addFiles(directory, dataset);
    found.push(dataset);
  }
  return found;
}

/**
 * Removes all downloads, whole and unfinished.
 *
 * @returns How many data sets, and the bytes that are free now.
 */
export async function cleanRaw(
  dataDir: string,
): Promise<{ removed: number; freedBytes: number }> {
  await removeLeftovers(rawDirectory(dataDir));
  const all = await listRaw(dataDir);
  for (const { directory } of all) {
    await Deno.remove(directory, { recursive: true });
  }
  return {
    removed: all.length,
    freedBytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function sourceOf(record: z.output<typeof recordSchema>): string {
  return "url" in record ? record.url : `hf:${record.repo}`;
}

async function addFiles(path: string, sum: RawDataset): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) {
      await addFiles(join(path, name), sum);
      continue;
    }
    if (name === RECORD || name.endsWith(".part.version")) continue;
    sum.bytes += (await Deno.stat(join(path, name))).size;
    if (name.endsWith(".part")) sum.unfinished++;
    else sum.files++;
  }
}

const RECORD = "source.json";

function recordPath(directory: string): string {
  return join(directory, RECORD);
}
