/**
 * Words as dense numbers 0, 1, 2 …: a hash table of byte strings.
 *
 * The bytes of all words lie one after another in one array, so a word costs
 * about 20 bytes and its letters, and nothing for the garbage collector to
 * visit. A `Map` of strings takes five times that and three times as long.
 *
 * @module
 */

import { grown } from "./grown.ts";

/** Slots per word at most: beyond 1/2 full, probes become long. */
const MAX_LOAD = 1 / 2;

/** See the module. */
export class WordTable {
  /** Number of words. */
  size = 0;
  /** The letters of all words. */
  bytes = new Uint8Array(1 << 16);
  /** Word `i` is `bytes[starts[i]]` up to `bytes[starts[i + 1]]`. */
  starts = new Uint32Array(1 << 12);
  #hashes = new Int32Array(1 << 12);
  /** Word number plus one, or 0. */
  #slots = new Uint32Array(1 << 13);
  #mask = (1 << 13) - 1;

  /**
   * The number of the word `text[from]` up to `text[to]`, which is entered if
   * it is new: then it is the `size` of before.
   */
  enter(text: Uint8Array, from: number, to: number): number {
    let hash = 0x811c9dc5 | 0; // FNV-1a, with its high bits mixed in below
    for (let i = from; i < to; i++) {
      hash = Math.imul(hash ^ text[i], 0x01000193);
    }
    hash ^= hash >>> 15;
    const slots = this.#slots, mask = this.#mask;
    let slot = hash & mask;
    for (let entry = slots[slot]; entry !== 0; entry = slots[slot]) {
      const word = entry - 1;
      if (this.#hashes[word] === hash && this.#isAt(word, text, from, to)) {
        return word;
      }
      slot = slot + 1 & mask;
    }
    return this.#add(text, from, to, { hash, slot });
  }

  /** Forgets all words. */
  clear(): void {
    this.size = 0;
    this.#slots.fill(0);
  }

  #isAt(word: number, text: Uint8Array, from: number, to: number): boolean {
    const bytes = this.bytes;
    let at = this.starts[word];
    if (this.starts[word + 1] - at !== to - from) return false;
    while (from < to) if (bytes[at++] !== text[from++]) return false;
    return true;
  }

  #add(
    text: Uint8Array,
    from: number,
    to: number,
    { hash, slot }: { hash: number; slot: number },
  ): number {
    const word = this.size++;
    const start = this.starts[word], stop = start + to - from;
    if (word + 2 > this.starts.length) {
      this.starts = grown(this.starts, Uint32Array);
      this.#hashes = grown(this.#hashes, Int32Array);
    }
    while (stop > this.bytes.length) this.bytes = grown(this.bytes, Uint8Array);
    for (let at = start; from < to;) this.bytes[at++] = text[from++];
    this.starts[word + 1] = stop;
    this.#hashes[word] = hash;
    this.#slots[slot] = word + 1;
    if (this.size > this.#slots.length * MAX_LOAD) this.#rehash();
    return word;
  }

  #rehash(): void {
    const slots = this.#slots = new Uint32Array(2 * this.#slots.length);
    const mask = this.#mask = slots.length - 1;
    for (let word = 0; word < this.size; word++) {
      let slot = this.#hashes[word] & mask;
      while (slots[slot] !== 0) slot = slot + 1 & mask;
      slots[slot] = word + 1;
    }
  }
}
