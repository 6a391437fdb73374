/**
 * Reads a file that another process appends to: the last lines first, then
 * what is added.
 *
 * Nothing is kept open between two reads, so the writer may replace, truncate
 * or delete the file at will. A read that finds no change costs one `stat`,
 * and memory does not grow with the file.
 *
 * @module
 */

import { unlessGone } from "../../base/unless_gone.ts";
import { readAt } from "./read_at.ts";

/** A read brings at most this much; a line as long as this is cut. */
const CHUNK_BYTES = 1 << 20;
/** Steps in which the beginning of the last lines is looked for. */
const BLOCK_BYTES = 64 * 1024;
/** What is remembered of the text before the place of the next read. */
const ANCHOR_BYTES = 64;
const NEWLINE = 10;

/** Lines that have come. */
export interface TailChunk {
  /** Whole lines, without their newlines. */
  lines: string[];
  /**
   * The file is not the one that was read before, or was cut short: these
   * lines are its first ones.
   */
  restarted: boolean;
}

/** How far a file has been read. */
interface Place {
  /** Where the next line begins. */
  offset: number;
  /** The bytes before it: if they have changed, so has the file. */
  anchor: Uint8Array;
  /** The file when it was read to its end; null before that. */
  seen: Pick<Deno.FileInfo, "ino" | "size" | "mtime"> | null;
}

/** One reader of one file. */
export class TailFile {
  readonly #path: string;
  readonly #lastLines: number;
  #place: Place | null = null;

  /** @param options.lastLines How many lines the first read goes back. */
  constructor(path: string, { lastLines }: { lastLines: number }) {
    this.#path = path;
    this.#lastLines = lastLines;
  }

  /**
   * The next whole lines; null if there are none for now, or no file. To read
   * all there is, call until it returns null.
   */
  async read(): Promise<TailChunk | null> {
    const info = await unlessGone(Deno.stat(this.#path));
    // To open a pipe would wait for somebody who writes to it.
    if (info === null || !info.isFile) return null;
    if (this.#place && isUnchanged(this.#place, info)) return null;
    using file = await unlessGone(Deno.open(this.#path));
    if (file === null) return null;
    return await this.#readFrom(file);
  }

  /** What follows the last whole line: a line that will not be finished. */
  async rest(): Promise<string> {
    if (this.#place === null) return ""; // nothing was read yet
    using file = await unlessGone(Deno.open(this.#path));
    if (file === null) return "";
    const { offset } = this.#place;
    const { size } = await file.stat();
    return decoded(
      await readAt(file, { offset, length: lengthFrom(offset, size) }),
    );
  }

  async #readFrom(file: Deno.FsFile): Promise<TailChunk | null> {
    // 1. Where to go on.
    const { size, mtime, ino } = await file.stat();
    let place = this.#place;
    const restarted = place !== null && !await isSameFile(place, file);
    if (place === null || restarted) {
      const offset = restarted
        ? 0
        : await startOfLastLines(file, { size, count: this.#lastLines });
      place = { offset, anchor: await anchorAt(file, offset), seen: null };
      this.#place = place;
    }

    // 2. Whole lines, and where the next one begins.
    const { offset } = place;
    const length = lengthFrom(offset, size);
    const bytes = await readAt(file, { offset, length });
    const isCut = bytes.length === CHUNK_BYTES && !bytes.includes(NEWLINE);
    const used = isCut ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
    place.offset += used;
    if (used > 0) place.anchor = await anchorAt(file, place.offset);
    const isEnd = offset + bytes.length >= size;
    place.seen = isEnd ? { ino, size, mtime } : null;
    if (used === 0 && !restarted) return null;
    const text = decoded(bytes.subarray(0, used)).replace(/\n$/, "");
    return { lines: used === 0 ? [] : text.split("\n"), restarted };
  }
}

function isUnchanged({ seen }: Place, info: Deno.FileInfo): boolean {
  return seen !== null && seen.ino === info.ino && seen.size === info.size &&
    seen.mtime?.getTime() === info.mtime?.getTime();
}

/** Whether the file still holds what was read before. */
async function isSameFile(place: Place, file: Deno.FsFile): Promise<boolean> {
  const anchor = await anchorAt(file, place.offset);
  return anchor.length === place.anchor.length &&
    anchor.every((byte, i) => byte === place.anchor[i]);
}

async function anchorAt(
  file: Deno.FsFile,
  offset: number,
): Promise<Uint8Array> {
  const length = Math.min(ANCHOR_BYTES, offset);
  return await readAt(file, { offset: offset - length, length });
}

/**
 * The offset at which the last `count` lines begin. A line without newline at
 * the end counts, unless `count` is 0: then it is where that line begins.
 */
async function startOfLastLines(
  file: Deno.FsFile,
  { size, count }: { size: number; count: number },
): Promise<number> {
  if (count === Infinity) return 0;
  let missing = count;
  for (let end = size; end > 0;) {
    const offset = Math.max(0, end - BLOCK_BYTES);
    const block = await readAt(file, { offset, length: end - offset });
    for (let i = block.length - 1; i >= 0; i--) {
      if (block[i] !== NEWLINE) continue;
      const isLast = offset + i === size - 1; // it ends the last line
      if (isLast ? count === 0 : --missing <= 0) return offset + i + 1;
    }
    end = offset;
  }
  return 0;
}

/** How much to read at once of a file of `size` bytes. */
function lengthFrom(offset: number, size: number): number {
  return Math.min(CHUNK_BYTES, Math.max(0, size - offset));
}

/** A disk may give back bytes that are no UTF-8; they become `�`. */
function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
