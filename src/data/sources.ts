/**
 * What the config's `dataset` names: the sample, a file, a folder or a glob.
 *
 * Resolving lists files and checks that they can be meant; it reads none.
 * Files of a folder are taken in the order of their paths, so that the same
 * folder is the same text on every platform.
 *
 * @module
 */

import { glob } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { DataSection } from "../config/schema.ts";
import { EXIT, UserError } from "../base/errors.ts";
import { readFailure } from "./file_errors.ts";
import type { TextFile } from "./text_file.ts";

/** One named source, and what it stands for. */
export type Source =
  | { kind: "sample"; name: string }
  | { kind: "files"; name: string; files: TextFile[] };

/** `dataset` or `valDataset` as the config has it. */
export type SourceSetting = DataSection["dataset"];

/** What is taken from a folder, each also with .gz or .zst after it. */
const FOLDER_EXTENSIONS = [".txt", ".md", ".jsonl"];

/** Formats that cannot be text, for a clearer word than "binary". */
const OTHER_FORMATS = [".parquet", ".arrow", ".zip", ".tar", ".bin", ".pdf"];

/** Names that are set aside for public data sets. */
const PUBLIC_NAMES = [
  "wikitext-2",
  "wikitext-103",
  "tinystories",
  "tinyshakespeare",
];

/**
 * The sources of one setting, in its order.
 *
 * @throws {UserError} With exit code 2 for anything that is not there or is
 * not text by its name.
 */
export async function resolveSources(
  setting: SourceSetting,
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const entry of Array.isArray(setting) ? setting : [setting]) {
    const { source, weight } = typeof entry === "string"
      ? { source: entry, weight: 1 }
      : entry;
    if (weight !== 1) {
      throw usage(
        `Cannot mix "${source}" with weight ${weight}: sources are joined ` +
          "whole, weight is 1",
        "leave the weight out, or name a source more than once",
      );
    }
    sources.push(await resolveSource(source));
  }
  return sources;
}

async function resolveSource(name: string): Promise<Source> {
  if (name === "sample") return { kind: "sample", name };
  const isAddress = /^[a-z][a-z0-9+.-]+:\/\//i.test(name) ||
    name.startsWith("hf:");
  if (isAddress || PUBLIC_NAMES.includes(name)) {
    throw usage(
      `Cannot use dataset "${name}": only sample and local files, folders ` +
        "and globs can be used",
      isAddress
        ? "download it and give the path of the file"
        : `download it and give its path; for a local file write ./${name}`,
    );
  }
  const stat = await statOrNull(name);
  if (stat?.isDirectory) {
    return { kind: "files", name, files: await listFolder(name) };
  }
  if (stat === null && /[*?[\]{}]/.test(name)) {
    return { kind: "files", name, files: await listGlob(name) };
  }
  return { kind: "files", name, files: [await describeFile(name)] };
}

/** Text files below a folder, hidden ones and linked folders left out. */
async function listFolder(folder: string): Promise<TextFile[]> {
  const paths: string[] = [];
  await walk(folder);
  if (paths.length === 0) {
    throw usage(
      `Cannot use folder "${folder}": it has no ` +
        `${FOLDER_EXTENSIONS.join(", ")} file`,
      "those may also be .gz or .zst; for other names give a quoted glob such " +
        'as "texts/*.log"',
    );
  }
  return await Promise.all(sortPaths(paths).map(describeFile));

  async function walk(directory: string): Promise<void> {
    try {
      for await (const entry of Deno.readDir(directory)) {
        if (entry.name.startsWith(".")) continue;
        const path = join(directory, entry.name);
        if (entry.isDirectory) await walk(path);
        else if (!isTextName(entry.name)) continue;
        else if (entry.isFile || await isFile(path)) paths.push(path);
      }
    } catch (error) {
      throw readFailure(directory, error);
    }
  }
}

async function listGlob(pattern: string): Promise<TextFile[]> {
  const paths: string[] = [];
  for await (const path of glob(pattern)) {
    if (await isFile(path)) paths.push(path);
  }
  if (paths.length === 0) {
    throw usage(
      `Cannot use dataset "${pattern}": no file matches`,
      "check the pattern; ** stands for any folders, and it must be quoted " +
        "from the shell",
    );
  }
  return await Promise.all(sortPaths(paths).map(describeFile));
}

/** A file named by hand may have any extension; its bytes are checked later. */
async function describeFile(path: string): Promise<TextFile> {
  let stat: Deno.FileInfo;
  try {
    stat = await Deno.stat(path);
  } catch (error) {
    throw readFailure(path, error);
  }
  if (!stat.isFile) {
    throw usage(
      `Cannot read dataset "${path}": it is not a regular file`,
      "write the text to a file first; it is read more than once",
    );
  }
  const other = OTHER_FORMATS.find((ext) => path.toLowerCase().endsWith(ext));
  if (other !== undefined) {
    throw usage(
      `Cannot use "${path}" as text: ${other} files cannot be read`,
      `turn it into ${FOLDER_EXTENSIONS.join(", ")}, plain or with .gz or .zst`,
    );
  }
  const { base, compression } = splitCompression(path);
  return {
    path: resolve(path),
    name: path,
    format: base.endsWith(".jsonl") ? "jsonl" : "text",
    compression,
    sizeBytes: stat.size,
    mtimeMs: stat.mtime?.getTime() ?? 0,
  };
}

function isTextName(name: string): boolean {
  const { base } = splitCompression(name);
  return FOLDER_EXTENSIONS.some((extension) => base.endsWith(extension));
}

function splitCompression(
  path: string,
): { base: string; compression: TextFile["compression"] } {
  const lower = path.toLowerCase();
  if (lower.endsWith(".gz")) {
    return { base: lower.slice(0, -3), compression: "gzip" };
  }
  if (lower.endsWith(".zst")) {
    return { base: lower.slice(0, -4), compression: "zstd" };
  }
  return { base: lower, compression: "none" };
}

/** By code unit, with "/" on every platform. */
function sortPaths(paths: string[]): string[] {
  const keyed = paths.map((path) => ({
    path,
    key: relative(".", path).replaceAll(sep, "/"),
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ path }) => path);
}

async function isFile(path: string): Promise<boolean> {
  return (await statOrNull(path))?.isFile ?? false;
}

/** Null for what is not there or cannot be looked at; opening says why. */
async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch {
    return null;
  }
}

function usage(message: string, hint: string): UserError {
  return new UserError(message, { hint, exitCode: EXIT.usage });
}
