/**
 * Files that hold several documents, whatever their format, and the check
 * that every file goes through once.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { EXIT, UserError } from "../../base/errors.ts";
import type { ReadOptions, TextFile } from "./file_bytes.ts";
import { readJsonLines } from "./json_lines.ts";
import { readParquet } from "./parquet_file.ts";
import { readText } from "./text_file.ts";
import { joinArticles } from "./wikitext_articles.ts";

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
export async function* readDocuments(
  file: TextFile,
  options: ReadOptions = {},
): AsyncGenerator<string> {
  const rows = file.format === "parquet"
    ? readParquet(file, options)
    : readJsonLines(file, options);
  const texts = file.rows === "wikitext" ? joinArticles(rows) : rows;
  for await (const text of texts) if (text !== "") yield text;
}

/** What decides the text of a file, its path left out. */
export function contentKey(
  { format, column, rows, sha256, side }: TextFile & FileFacts,
): string {
  const named = column === "text" ? undefined : column;
  return [format, sha256, named, rows, side].filter(Boolean).join(" ");
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
  const sha256 = hash.digest("hex");
  if (file.sha256 !== undefined && file.sha256 !== sha256) {
    throw new UserError(
      `Cannot use "${file.name}": its download has changed on disk, in ` +
        `"${file.path}"`,
      {
        hint: "hearth data clean --downloads removes it; it is downloaded anew",
        exitCode: EXIT.usage,
      },
    );
  }
  return { sha256, textBytes };
}
