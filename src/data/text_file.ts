/**
 * One file as checked UTF-8 text, a chunk at a time.
 *
 * A byte order mark at the start is dropped; everything else, CRLF included,
 * stays as it is. NUL bytes and invalid UTF-8 are refused with their place. A
 * file that changes while it is read is refused too: three passes go over it
 * (check, tokenizer, tokens), and they must see the same bytes.
 *
 * @module
 */

import type { Hash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { EXIT, UserError } from "../base/errors.ts";
import { errorCode } from "../base/io_problem.ts";
import { readFailure } from "./file_errors.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** A text file as it was when it was listed. */
export interface TextFile {
  /** Absolute path. */
  path: string;
  /** As the user would write it; for messages. */
  name: string;
  /** `text`: one document. `jsonl`: one per line, in the field "text". */
  format: "text" | "jsonl";
  compression: "none" | "gzip" | "zstd";
  /** On disk, compressed as it is. */
  sizeBytes: number;
  /** Last change, milliseconds since 1970. */
  mtimeMs: number;
}

/** A part of a file, cut between two characters. */
export interface TextChunk {
  /** UTF-8, without the byte order mark. */
  bytes: Uint8Array;
  text: string;
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

/**
 * The text of `file`, in chunks of about 1 MB.
 *
 * @throws {UserError} When it is not text, is damaged, vanished or changed.
 */
export async function* readText(
  file: TextFile,
  options: ReadOptions = {},
): AsyncGenerator<TextChunk> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = new Uint8Array(0); // the start of a character cut by a read
  let offset = 0; // of rest[0] in the text
  for await (const read of inflate(file, readBytes(file, options))) {
    const joined = rest.length === 0 ? read : concat(rest, read);
    let start = 0;
    if (offset === 0) {
      if (joined.length < 3) {
        rest = joined.slice(); // too short to tell a byte order mark
        continue;
      }
      if (startsWithBom(joined)) start = 3;
    }
    const end = joined.length - cutTail(joined);
    yield decode(joined.subarray(start, end), offset + start);
    rest = joined.slice(end);
    offset += end;
  }
  if (rest.length > 0) yield decode(rest, offset);

  function decode(bytes: Uint8Array, at: number): TextChunk {
    const nul = bytes.indexOf(0);
    if (nul >= 0) {
      throw notText(file, `NUL byte at offset ${at + nul}`, hintFor(bytes));
    }
    try {
      return { bytes, text: decoder.decode(bytes) };
    } catch {
      // The decoder does not say where, so the place is looked for here.
      const place = at + firstInvalid(bytes);
      const what = `invalid UTF-8 at byte offset ${place}`;
      throw notText(file, what, hintFor(bytes));
    }
  }
}

/** The bytes on disk; checks that the file stays what was listed. */
async function* readBytes(
  file: TextFile,
  { hash, onBytes, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  let handle: Deno.FsFile;
  try {
    handle = await Deno.open(file.path, { read: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw changed(file, "vanished");
    throw readFailure(file.name, error);
  }
  using opened = handle;
  for (let total = 0;;) {
    signal?.throwIfAborted();
    const buffer = new Uint8Array(READ_BYTES);
    const count = await opened.read(buffer);
    if (count === null) {
      const now = await opened.stat();
      const mtimeMs = now.mtime?.getTime() ?? 0;
      if (total !== file.sizeBytes || mtimeMs !== file.mtimeMs) {
        throw changed(file, "changed");
      }
      return;
    }
    total += count;
    hash?.update(buffer.subarray(0, count));
    onBytes?.(count);
    yield buffer.subarray(0, count);
  }
}

async function* inflate(
  file: TextFile,
  source: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (file.compression === "none") return yield* source;
  const isGzip = file.compression === "gzip";
  const inflater = isGzip ? createGunzip() : createZstdDecompress();
  const packed = isGzip ? source : checkFrames(file, source);
  // An error on either side ends the loop below, so none is handled here.
  pipeline(Readable.from(packed), inflater, () => {});
  try {
    for await (const chunk of inflater) yield chunk;
  } catch (error) {
    const code = errorCode(error);
    if (code?.startsWith("Z_") || code?.startsWith("ZSTD_")) {
      throw damaged(file, error);
    }
    throw error;
  }
}

async function* checkFrames(
  file: TextFile,
  source: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of source) {
    if (!frames.push(chunk)) throw damaged(file);
    yield chunk;
  }
  if (!frames.complete) throw damaged(file);
}

function damaged(file: TextFile, cause?: unknown): UserError {
  return new UserError(
    `Cannot read dataset "${file.name}": its ${file.compression} data is ` +
      "damaged or cut short",
    {
      hint: "make or download the file again",
      exitCode: EXIT.usage,
      cause,
    },
  );
}

function notText(file: TextFile, what: string, hint: string): UserError {
  return new UserError(`Cannot use "${file.name}" as text: ${what}`, {
    hint,
    exitCode: EXIT.usage,
  });
}

/** What the bytes look like, and what to do about it. */
function hintFor(bytes: Uint8Array): string {
  const mark = bytes[0] << 8 | bytes[1];
  if (mark === 0xfffe || mark === 0xfeff) {
    return "it looks like UTF-16; iconv -f utf-16 -t utf-8 FILE converts it";
  }
  return bytes.includes(0)
    ? "it looks like a binary file; give .txt, .md or .jsonl in UTF-8"
    : "give UTF-8 text; iconv -f latin1 -t utf-8 FILE converts an older " +
      "encoding";
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

function startsWithBom(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** Length of an unfinished character at the end, 0 to 3 bytes. */
function cutTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? back : 0;
  }
  return 0;
}

/** Bytes of the character that starts with `lead`; 1 if it cannot start one. */
function sequenceLength(lead: number): number {
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
}

/** Offset of the first character that is not valid UTF-8. */
function firstInvalid(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at]);
    if (bytes[at] >= 0x80) {
      try {
        decoder.decode(bytes.subarray(at, at + length));
      } catch {
        return at; // what is looked for
      }
    }
    at += length;
  }
  return bytes.length;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
