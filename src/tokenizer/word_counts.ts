/**
 * Byte-pair encoding, the counting part: how often each word occurs.
 *
 * Memory grows with the number of different words, not with the text, and
 * that number has a limit. Parts of a corpus can be counted apart from each
 * other and added up.
 *
 * @module
 */

import { grown } from "./grown.ts";
import { WordTable } from "./word_table.ts";
import { wordEnd } from "./words.ts";

/**
 * Different words to keep: some 250 MB. Prose of 1 GB has 2 to 4 million, of
 * which most are seen once.
 */
const MOST_WORDS = 1 << 23;

/** Counts that can be sent to another thread. */
export interface CountedWords {
  /** Letters of all words, one after another. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each word begins, and one past the last. */
  starts: Uint32Array<ArrayBuffer>;
  counts: Float64Array<ArrayBuffer>;
  /** See {@linkcode WordCounts.dropped}. */
  dropped: number;
}

/** Different words in the order they were first seen, with their counts. */
export class WordCounts {
  #table = new WordTable();
  #counts = new Float64Array(1 << 12);
  #limit: number;
  /** Words that were forgotten, each time because they were the rarest. */
  dropped = 0;

  /** @param limit Different words to keep, at most. */
  constructor(limit = MOST_WORDS) {
    this.#limit = limit;
  }

  /** How many different words there are. */
  get size(): number {
    return this.#table.size;
  }

  /** Counts the words of `text`, which is valid UTF-8. */
  add(text: Uint8Array): void {
    for (let at = 0; at < text.length;) {
      const end = wordEnd(text, at, text.length);
      this.#count(text, at, end, 1);
      at = end;
    }
  }

  /** Adds what was counted elsewhere. */
  merge({ bytes, starts, counts, dropped }: CountedWords): void {
    for (let word = 0; word < counts.length; word++) {
      this.#count(bytes, starts[word], starts[word + 1], counts[word]);
    }
    this.dropped += dropped;
  }

  /** All of it, in arrays of its own. */
  take(): CountedWords {
    const { size, bytes, starts } = this.#table;
    return {
      bytes: bytes.slice(0, starts[size]),
      starts: starts.slice(0, size + 1),
      counts: this.#counts.slice(0, size),
      dropped: this.dropped,
    };
  }

  #count(text: Uint8Array, at: number, end: number, times: number): void {
    const word = this.#table.enter(text, at, end);
    if (word === this.#counts.length) {
      this.#counts = grown(this.#counts, Float64Array);
    }
    this.#counts[word] += times;
    if (this.#table.size > this.#limit) this.#forgetRarest();
  }

  /** Keeps those words that occur more often than half of them do. */
  #forgetRarest(): void {
    const { bytes, starts, counts } = this.take();
    const median = counts.toSorted()[counts.length >> 1];
    this.#table = new WordTable();
    this.#counts = new Float64Array(counts.length);
    for (let word = 0; word < counts.length; word++) {
      if (counts[word] <= median) this.dropped++;
      else this.#count(bytes, starts[word], starts[word + 1], counts[word]);
    }
  }
}
