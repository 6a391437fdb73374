/**
 * Files on this machine: named by path, in a folder, by a glob, in an archive.
 *
 * Listing looks at names, sizes and directories of archives; it reads no text.
 * Files of a folder are taken in the order of their paths, so that the same
 * folder is the same text on every platform.
 *
 * @module
 */

import { glob } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { readFailure } from "../file_errors.ts";
import { openListed, type TextFile } from "../text/file_bytes.ts";
import {
  formatOf,
  isArchive,
  isTextName,
  otherFormat,
  TEXT_EXTENSIONS,
} from "../text/file_names.ts";
import { listZip } from "../text/zip_entries.ts";

/**
 * The text files that `name` stands for, in order.
 *
 * @throws {UserError} With exit code 2 for anything that is not there or is
 * not text by its name.
 */
export async function listFiles(name: string): Promise<TextFile[]> {
  const stat = await statOrNull(name);
  if (stat?.isDirectory) return await listFolder(name);
  if (stat === null && /[*?[\]{}]/.test(name)) return await listGlob(name);
  return await describe(name);
}

/** Text files below a folder, hidden ones and linked folders left out. */
async function listFolder(folder: string): Promise<TextFile[]> {
  const paths: string[] = [];
  await walk(folder);
  if (paths.length === 0) {
    throw usage(
      `Cannot use folder "${folder}": it has no ` +
        `${TEXT_EXTENSIONS.join(", ")} or .zip file`,
      "text may also be .gz or .zst; for other names give a quoted glob such " +
        'as "texts/*.log"',
    );
  }
  return await describeAll(paths);

  async function walk(directory: string): Promise<void> {
    try {
      for await (const entry of Deno.readDir(directory)) {
        if (entry.name.startsWith(".")) continue;
        const path = join(directory, entry.name);
        if (entry.isDirectory) await walk(path);
        else if (!isTextName(entry.name) && !isArchive(entry.name)) continue;
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
  return await describeAll(paths);
}

async function describeAll(paths: string[]): Promise<TextFile[]> {
  return (await Promise.all(sortPaths(paths).map(describe))).flat();
}

/** A file named by hand may have any extension; its bytes are checked later. */
async function describe(path: string): Promise<TextFile[]> {
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
  const other = otherFormat(path);
  if (other !== undefined) {
    throw usage(
      `Cannot use "${path}" as text: ${other} files cannot be read`,
      `turn it into ${TEXT_EXTENSIONS.join(", ")}, plain or with .gz or .zst`,
    );
  }
  const file: TextFile = {
    path: resolve(path),
    name: path,
    ...formatOf(path),
    sizeBytes: stat.size,
    mtimeMs: stat.mtime?.getTime() ?? 0,
  };
  return isArchive(path) ? await listArchive(file) : [file];
}

/** The text files in an archive: those with a known extension. */
export async function listArchive(archive: TextFile): Promise<TextFile[]> {
  using opened = await openListed(archive);
  const entries = await listZip(opened);
  if (entries === null) {
    throw usage(
      `Cannot read dataset "${archive.name}": it is no zip archive, or a ` +
        "damaged one",
      "make or download the file again",
    );
  }
  const texts = entries.filter(({ name }) => isMeant(name));
  if (texts.length === 0) {
    throw usage(
      `Cannot use archive "${archive.name}": it has no .txt, .md or .jsonl file`,
      "unpack it, and give a quoted glob of the files in it",
    );
  }
  return texts.map((entry) => {
    const name = `${archive.name}/${entry.name}`;
    if (entry.isEncrypted || entry.method === "other") {
      throw usage(
        `Cannot read dataset "${name}": it is ` +
          (entry.isEncrypted
            ? "encrypted"
            : "packed in a way that is not known"),
        "unpack the archive, and give the folder",
      );
    }
    return {
      ...archive,
      ...formatOf(entry.name),
      name,
      compression: "zip",
      sizeBytes: entry.packedBytes,
      entry,
    };
  });
}

/** No files of the system's own, and none that is packed a second time. */
function isMeant(name: string): boolean {
  const isHidden = /(^|\/)(\.|__MACOSX\/)/.test(name);
  const { format, compression } = formatOf(name);
  return !isHidden && isTextName(name) && format !== "parquet" &&
    compression === "none";
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
