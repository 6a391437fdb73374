/**
 * What a file is, by its name.
 *
 * @module
 */

import type { TextFile } from "./file_bytes.ts";

/** What is taken from a folder, all but .parquet also with .gz or .zst. */
export const TEXT_EXTENSIONS = [".txt", ".md", ".jsonl", ".parquet"];

/** Formats that cannot be text, for a clearer word than "binary". */
const OTHER_FORMATS = [".arrow", ".tar", ".tgz", ".bin", ".pdf", ".docx"];

/** Format and compression of a file; any name may stand for text. */
export function formatOf(
  name: string,
): Pick<TextFile, "format" | "compression"> {
  const { base, compression } = splitCompression(name);
  const format = /\.(jsonl|ndjson)$/.test(base)
    ? "jsonl"
    : base.endsWith(".parquet") && compression === "none"
    ? "parquet"
    : "text";
  return { format, compression };
}

/** Whether a file in a folder or an archive is meant to be read. */
export function isTextName(name: string): boolean {
  const { base, compression } = splitCompression(name);
  const found = TEXT_EXTENSIONS.find((extension) => base.endsWith(extension));
  return found !== undefined &&
    (found !== ".parquet" || compression === "none");
}

/** Whether a file holds other files that can be read. */
export function isArchive(name: string): boolean {
  return name.toLowerCase().endsWith(".zip");
}

/** The extension of a format that cannot be read as text, or undefined. */
export function otherFormat(name: string): string | undefined {
  const { base } = splitCompression(name);
  return OTHER_FORMATS.find((extension) => base.endsWith(extension));
}

function splitCompression(
  name: string,
): { base: string; compression: "none" | "gzip" | "zstd" } {
  const lower = name.toLowerCase();
  if (lower.endsWith(".gz")) {
    return { base: lower.slice(0, -3), compression: "gzip" };
  }
  if (lower.endsWith(".zst")) {
    return { base: lower.slice(0, -4), compression: "zstd" };
  }
  return { base: lower, compression: "none" };
}
