/**
 * Ids of a text in the making.
 *
 * @module
 */

import { grown } from "./grown.ts";

/** Ids in one growing array. */
export class IdBuffer {
  #ids: Uint32Array;
  #length = 0;

  /** @param bytes Of text to encode; a token has about four. */
  constructor(bytes: number) {
    this.#ids = new Uint32Array(16 + Math.ceil(bytes / 3));
  }

  push(id: number): void {
    if (this.#length === this.#ids.length) {
      this.#ids = grown(this.#ids, Uint32Array);
    }
    this.#ids[this.#length++] = id;
  }

  /** Appends `from[start]` up to `from[end]`. */
  append(from: Uint32Array, start: number, end: number): void {
    while (this.#length + end - start > this.#ids.length) {
      this.#ids = grown(this.#ids, Uint32Array);
    }
    const ids = this.#ids;
    let at = this.#length;
    for (let i = start; i < end; i++) ids[at++] = from[i];
    this.#length = at;
  }

  /** A copy of all of them. */
  take(): Uint32Array<ArrayBuffer> {
    return this.#ids.slice(0, this.#length);
  }
}
