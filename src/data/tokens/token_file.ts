/**
 * Token ids on disk: a bare array of little-endian u16 or u32.
 *
 * u16 where the vocabulary allows it. Every platform Deno runs on is
 * little-endian, so typed arrays are written as they lie in memory. Sizes and
 * checksums live in the header of the prepared data set, not here.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { UserError } from "../../base/errors.ts";
import { writeFailure } from "../file_errors.ts";

/** How one id is stored. */
export type TokenDtype = "u16" | "u32";

/** Bytes of one id. */
export const TOKEN_BYTES = { u16: 2, u32: 4 } as const;

/** Tokens gathered before a write: 1-2 MB, where disks are at full speed. */
const BUFFER_TOKENS = 1 << 19;

/** The smallest type that holds ids below `vocabSize`. */
export function tokenDtype(vocabSize: number): TokenDtype {
  return vocabSize <= 1 << 16 ? "u16" : "u32";
}

/** What was written: enough to notice later damage. */
export interface WrittenTokens {
  tokens: number;
  /** sha256 (hex) of the file. */
  sha256: string;
}

/** Appends ids to a new file. {@linkcode close} it, also after a failure. */
export class TokenWriter {
  #path: string;
  #file: Deno.FsFile;
  #buffer: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  #used = 0;
  #tokens = 0;
  #hash: Hash = createHash("sha256");

  private constructor(path: string, file: Deno.FsFile, dtype: TokenDtype) {
    this.#path = path;
    this.#file = file;
    this.#buffer = dtype === "u16"
      ? new Uint16Array(BUFFER_TOKENS)
      : new Uint32Array(BUFFER_TOKENS);
  }

  /** @throws {UserError} When the file cannot be made. */
  static async create(path: string, dtype: TokenDtype): Promise<TokenWriter> {
    try {
      const file = await Deno.open(path, {
        write: true,
        create: true,
        truncate: true,
      });
      return new TokenWriter(path, file, dtype);
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  /** Appends `ids`. @throws {UserError} When the disk is full. */
  async write(ids: Uint32Array): Promise<void> {
    for (let at = 0; at < ids.length;) {
      const part = ids.subarray(at, at + BUFFER_TOKENS - this.#used);
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      this.#tokens += part.length;
      at += part.length;
      if (this.#used === BUFFER_TOKENS) await this.#flush();
    }
  }

  /** Tokens appended so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Writes the rest and waits until all of it is on disk. */
  async finish(): Promise<WrittenTokens> {
    await this.#flush();
    try {
      await this.#file.sync();
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
    return { tokens: this.#tokens, sha256: this.#hash.digest("hex") };
  }

  close(): void {
    this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = new Uint8Array(
      this.#buffer.buffer,
      0,
      this.#used * this.#buffer.BYTES_PER_ELEMENT,
    );
    this.#hash.update(bytes);
    try {
      for (let at = 0; at < bytes.length;) {
        at += await this.#file.write(bytes.subarray(at));
      }
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
    this.#used = 0;
  }
}

/** Ids of a finished file, read by position. */
export class TokenFile {
  #path: string;
  #file: Deno.FsFile;
  /**
   * For reads in other threads, one after the other. Opened beside the other, as
   * its name may be gone later: `hearth data clean` takes it.
   */
  #aside: Deno.FsFile;
  #asideTurn: Promise<unknown> = Promise.resolve();
  #dtype: TokenDtype;
  #vocabSize: number;
  /** Ids in the file. */
  readonly tokens: number;

  /**
   * Opens `path`, which must hold exactly `tokens` ids, those that are read
   * below `vocabSize`.
   */
  constructor(
    path: string,
    { tokens, dtype, vocabSize = Infinity }: {
      tokens: number;
      dtype: TokenDtype;
      vocabSize?: number;
    },
  ) {
    this.#path = path;
    this.#file = Deno.openSync(path, { read: true });
    try {
      this.#aside = Deno.openSync(path, { read: true });
    } catch (error) {
      this.#file.close();
      throw error;
    }
    this.#dtype = dtype;
    this.#vocabSize = vocabSize;
    this.tokens = tokens;
  }

  /**
   * `count` ids from position `start`.
   *
   * Reads synchronously: a window is a few hundred bytes from the page cache,
   * and seek and read must not be torn apart by another caller.
   *
   * @throws {RangeError} Outside of the file's tokens.
   * @throws {UserError} When the file was changed behind our back: it is shorter,
   * or has an id that the model has no row for.
   */
  read(start: number, count: number): Uint32Array {
    const { bytes, offset } = this.#room(start, count);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      at += this.#some(this.#file.readSync(bytes.subarray(at)));
    }
    return this.#ids(bytes);
  }

  /**
   * The same in another thread, while this one does something else. All of
   * these have to come to their end before the file is closed.
   */
  readAside(start: number, count: number): Promise<Uint32Array> {
    const reading = this.#asideTurn.then(async () => {
      const { bytes, offset } = this.#room(start, count);
      await this.#aside.seek(offset, Deno.SeekMode.Start);
      for (let at = 0; at < bytes.length;) {
        at += this.#some(await this.#aside.read(bytes.subarray(at)));
      }
      return this.#ids(bytes);
    });
    this.#asideTurn = reading.catch(() => {}); // the caller sees it
    return reading;
  }

  /** Memory for some tokens, and their place in the file. */
  #room(
    start: number,
    count: number,
  ): { bytes: Uint8Array<ArrayBuffer>; offset: number } {
    if (start < 0 || start + count > this.tokens) {
      throw new RangeError(
        `Cannot read tokens ${start} to ${start + count} of ${this.tokens}`,
      );
    }
    const size = TOKEN_BYTES[this.#dtype];
    return { bytes: new Uint8Array(count * size), offset: start * size };
  }

  /** What a read gave. */
  #some(read: number | null): number {
    if (read !== null) return read;
    throw this.#changed("it became shorter during training");
  }

  #ids(bytes: Uint8Array<ArrayBuffer>): Uint32Array {
    const ids = this.#dtype === "u16"
      ? Uint32Array.from(new Uint16Array(bytes.buffer))
      : new Uint32Array(bytes.buffer);
    for (const id of ids) {
      if (id < this.#vocabSize) continue;
      throw this.#changed(
        `it was changed during training, and has the id ${id}, the tokenizer ` +
          `${this.#vocabSize} ids`,
      );
    }
    return ids;
  }

  #changed(how: string): UserError {
    return new UserError(`Cannot read "${this.#path}": ${how}`, {
      hint: "type hearth resume; the tokens are prepared again",
    });
  }

  close(): void {
    this.#file.close();
    this.#aside.close();
  }
}
