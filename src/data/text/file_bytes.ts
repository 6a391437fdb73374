/**
 * The bytes of one file, or of one entry of an archive, unpacked.
 *
 * A file that changes while it is read is refused: three passes go over it
 * (check, tokenizer, tokens), and they must see the same bytes.
 *
 * @module
 */

import type { Hash } from "node:crypto";
import type { Transform } from "node:stream";
import {
  crc32,
  createGunzip,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { errorMessage, EXIT, UserError } from "../../base/errors.ts";
import { errorCode } from "../../base/io_problem.ts";
import { readFailure } from "../file_errors.ts";
import { findEntryData, type ZipEntry } from "./zip_entries.ts";
import { BLOCK_BYTES, ZstdFrames } from "./zstd_frames.ts";

/** A text file as it was when it was listed. */
export interface TextFile {
  /** Absolute path. */
  path: string;
  /** As the user would write it; for messages. */
  name: string;
  /** `text`: one document. `jsonl` and `parquet`: one per line or row. */
  format: "text" | "jsonl" | "parquet";
  compression: "none" | "gzip" | "zstd" | "zip";
  /** Bytes to read from disk, compressed as they are. */
  sizeBytes: number;
  /** Last change, milliseconds since 1970. */
  mtimeMs: number;
  /** Which entry of the archive, when `compression` is zip. */
  entry?: ZipEntry;
  /** Field or column with the text; default: "text". */
  column?: string;
  /** `wikitext`: rows are lines, and articles are the documents. */
  rows?: "wikitext";
  /** `val`: it is for validation alone; else its source is split. */
  side?: "val";
  /** sha256 (hex) that the bytes must have, where it is known. */
  sha256?: string;
}

/** What a reader may listen to. */
export interface ReadOptions {
  /** Is updated with the bytes on disk. */
  hash?: Hash;
  /** Called with the number of bytes just read from disk. */
  onBytes?: (count: number) => void;
  signal?: AbortSignal;
}

/** Bytes per read: large enough that the calls do not count. */
const READ_BYTES = 1 << 20;
/** Unpacked at once: few, as a damaged file may make 30,000 times as many. */
const PACKED_BYTES = 8 << 10;

/**
 * Names the file, and what of it is read: two readings with one key give the
 * same text as long as the bytes are the same.
 */
export function fileKey({ path, entry, column, rows }: TextFile): string {
  const parts = [
    path,
    entry && `entry ${entry.name}`,
    column && `column ${column}`,
    rows,
  ];
  return parts.filter((part) => part !== undefined).join("\n");
}

/**
 * The bytes of `file`, decompressed, in chunks of about 1 MB.
 *
 * @throws {UserError} When it is damaged, vanished or changed.
 */
export async function* readUnpacked(
  file: TextFile,
  options: ReadOptions = {},
): AsyncGenerator<Uint8Array> {
  const source = readBytes(file, options);
  if (file.compression === "none") return yield* source;
  if (file.entry?.method === "stored") return yield* checkEntry(file, source);
  const inflater = {
    gzip: createGunzip,
    zstd: () => createZstdDecompress({ chunkSize: 2 * BLOCK_BYTES }),
    zip: createInflateRaw,
  }[file.compression]();
  const packed = file.compression === "zstd"
    ? checkFrames(file, source)
    : source;
  const unpacked = inflate(packed, inflater);
  try {
    yield* file.entry ? checkEntry(file, unpacked) : unpacked;
  } catch (error) {
    if (isInflateError(error)) throw damaged(file, error);
    throw error;
  }
}

/**
 * What `inflater` makes of `packed`, a little at a time.
 *
 * Nothing is under way when this yields: a reader may leave, and an error that
 * came later would end the process (Deno 2.9.6 throws it from its own code, not
 * from the stream).
 */
async function* inflate(
  packed: AsyncIterable<Uint8Array>,
  inflater: Transform,
): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  inflater.on("data", (bytes) => ready.push(bytes));
  // The end may come early: gzip ignores what is behind it.
  const over = new Promise<void>((resolve, reject) =>
    inflater.once("end", resolve).on("error", reject)
  );
  over.catch(() => {}); // whoever waits sees it
  try {
    for await (const chunk of packed) {
      for (let at = 0; at < chunk.length; at += PACKED_BYTES) {
        const piece = chunk.subarray(at, at + PACKED_BYTES);
        const written = new Promise<void>((resolve) =>
          inflater.write(piece, () => resolve())
        );
        await Promise.race([written, over]);
        yield* ready.splice(0);
      }
    }
    inflater.end();
    await over;
    yield* ready.splice(0);
  } finally {
    inflater.destroy();
  }
}

/**
 * The bytes on disk, as they are; checks that the file stays what was listed.
 *
 * @throws {UserError} When it vanished or changed.
 */
export async function* readBytes(
  file: TextFile,
  { hash, onBytes, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  using opened = await openListed(file);
  if (file.entry) {
    const start = await findEntryData(opened, file.entry);
    if (start === null) throw damaged(file);
    await opened.seek(start, Deno.SeekMode.Start);
  }
  for (let total = 0;;) {
    signal?.throwIfAborted();
    const left = file.sizeBytes - total;
    // An entry ends before the file does; a file must end where it did.
    const isDone = file.entry !== undefined && left === 0;
    const buffer = new Uint8Array(
      file.entry ? Math.min(READ_BYTES, left) : READ_BYTES,
    );
    const count = isDone ? null : await opened.read(buffer);
    if (count === null) {
      if (total !== file.sizeBytes) throw changed(file, "changed");
      return await checkUnchanged(file, opened);
    }
    total += count;
    hash?.update(buffer.subarray(0, count));
    onBytes?.(count);
    yield buffer.subarray(0, count);
  }
}

/** Opens a file. @throws {UserError} When it vanished or may not be read. */
export async function openListed(file: TextFile): Promise<Deno.FsFile> {
  try {
    return await Deno.open(file.path, { read: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw changed(file, "vanished");
    throw readFailure(file.name, error);
  }
}

/** @throws {UserError} When it is not any more what was listed. */
export async function checkUnchanged(
  file: TextFile,
  opened: Deno.FsFile,
): Promise<void> {
  const { size, mtime } = await opened.stat();
  const sizeBytes = file.entry?.archiveBytes ?? file.sizeBytes;
  if (size !== sizeBytes || (mtime?.getTime() ?? 0) !== file.mtimeMs) {
    throw changed(file, "changed");
  }
}

/** The error of a file whose packed data is not what it should be. */
export function damaged(file: TextFile, cause?: unknown): UserError {
  const what = file.format === "parquet" ? "Parquet" : file.compression;
  return new UserError(
    `Cannot read dataset "${file.name}": its ${what} data is damaged or cut ` +
      "short",
    {
      hint: "make or download the file again",
      exitCode: EXIT.usage,
      cause,
    },
  );
}

function isInflateError(error: unknown): boolean {
  const code = errorCode(error) ?? "";
  // Those of zstd have no code (Deno 2.9.6).
  return code.startsWith("Z_") || code.startsWith("ZSTD_") ||
    errorMessage(error).startsWith("Zstd decompress error");
}

async function* checkFrames(
  file: TextFile,
  source: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of source) {
    const parts = frames.push(chunk);
    if (parts === null) throw damaged(file);
    yield* parts;
  }
  if (!frames.complete) throw damaged(file);
}

/** Compares the checksum and the length that the archive has on record. */
async function* checkEntry(
  file: TextFile,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let sum = 0, length = 0;
  for await (const chunk of source) {
    sum = crc32(chunk, sum);
    length += chunk.length;
    yield chunk;
  }
  const { crc, textBytes } = file.entry!;
  if (sum !== crc || length !== textBytes) throw damaged(file);
}

function changed(file: TextFile, what: "changed" | "vanished"): UserError {
  return new UserError(
    `Cannot read dataset "${file.name}": it ${what} during preparation`,
    {
      hint: "let whatever writes it finish, then start again",
      exitCode: EXIT.usage,
    },
  );
}
