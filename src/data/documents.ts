/**
 * Files that hold several documents, whatever their format, and the check
 * that every file goes through once.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readJsonLines } from "./json_lines.ts";
import { type ReadOptions, readText, type TextFile } from "./text_file.ts";

/** What reading a file in whole found out. */
export interface FileFacts {
  /** sha256 (hex) of the bytes on disk. */
  sha256: string;
  /** UTF-8 bytes of its text, decompressed, taken out of JSON. */
  textBytes: number;
}

/** Whether a file is one document, which may be cut anywhere. */
export function isPlainText(file: TextFile): boolean {
  return file.format === "text";
}

/**
 * The documents of a file that is not plain text, in order; none is empty.
 *
 * @throws {UserError} When it is damaged, vanished, changed or lacks texts.
 */
export function readDocuments(
  file: TextFile,
  options: ReadOptions = {},
): AsyncGenerator<string> {
  return readJsonLines(file, options);
}

/**
 * Reads a file in whole, which finds all that is wrong with it.
 *
 * @throws {UserError} When it is no text, is damaged, vanished or changed.
 */
export async function checkFile(
  file: TextFile,
  options: ReadOptions,
): Promise<FileFacts> {
  const hash = createHash("sha256");
  let textBytes = 0;
  if (isPlainText(file)) {
    for await (const { bytes } of readText(file, { ...options, hash })) {
      textBytes += bytes.length;
    }
  } else {
    for await (const text of readDocuments(file, { ...options, hash })) {
      textBytes += Buffer.byteLength(text, "utf8");
    }
  }
  return { sha256: hash.digest("hex"), textBytes };
}
