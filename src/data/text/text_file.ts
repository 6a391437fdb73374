/**
 * One file as checked UTF-8 text, a chunk at a time.
 *
 * A byte order mark at the start is dropped; everything else, CRLF included,
 * stays as it is. NUL bytes and invalid UTF-8 are refused with their place.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { type ReadOptions, readUnpacked, type TextFile } from "./file_bytes.ts";

/** A part of a file, cut between two characters. */
export interface TextChunk {
  /** UTF-8, without the byte order mark. */
  bytes: Uint8Array;
  text: string;
}

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
  for await (const read of readUnpacked(file, options)) {
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
