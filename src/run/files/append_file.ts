/**
 * A file that grows line by line while others read it.
 *
 * What the disk does not take is kept in memory and written as soon as there
 * is room again, from the very byte where it broke off.
 *
 * @module
 */

import { dirname } from "node:path";
import { syncDirectory } from "../../base/atomic_file.ts";

/** Lines beyond this wait for nothing: they are left out. */
const MAX_WAITING_BYTES = 4 << 20;
const NEWLINE = 10;

/** Appends text; opened by the first call. Calls must not overlap. */
export class AppendFile {
  readonly #path: string;
  #file: Deno.FsFile | null = null;
  /** What the disk has not taken yet. */
  #waiting = new Uint8Array();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param text Whole lines, each ended by a newline.
   * @throws If the disk does not take them; a later call tries again.
   */
  async append(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    const fits = this.#waiting.length + bytes.length <= MAX_WAITING_BYTES;
    if (fits) this.#waiting = joined(this.#waiting, bytes);
    await this.flush();
    if (fits) return;
    this.#waiting = bytes;
    await this.flush();
  }

  /** Writes what still waits. @throws If the disk does not take it. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    this.#file ??= await this.#open();
    while (this.#waiting.length > 0) {
      const n = await this.#file.write(this.#waiting);
      this.#waiting = this.#waiting.subarray(n);
    }
  }

  /** Returns once all lines would survive a power cut. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#file?.sync();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  /** A process that was killed may have left a line without its end. */
  async #open(): Promise<Deno.FsFile> {
    const file = await Deno.open(this.#path, {
      read: true,
      append: true,
      create: true,
    });
    if ((await file.stat()).size === 0) {
      await syncDirectory(dirname(this.#path)); // it may be new
    } else {
      const last = new Uint8Array(1);
      await file.seek(-1, Deno.SeekMode.End);
      await file.read(last);
      if (last[0] !== NEWLINE) {
        this.#waiting = joined(Uint8Array.of(NEWLINE), this.#waiting);
      }
    }
    return file;
  }
}

function joined(
  a: Uint8Array,
  b: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
