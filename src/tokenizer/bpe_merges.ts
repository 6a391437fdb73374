/**
 * Byte-pair encoding, the learning part: which pairs to merge, in what order.
 *
 * Words stay in one flat array and shrink in place; a pair remembers the words
 * it was seen in, so one merge touches only those. Counts in the queue may be
 * stale and are put right when they come up. Compute bound, one core.
 * Twin: `BpeTrainer` of Hugging Face's tokenizers (src/models/bpe/trainer.rs),
 * whose order of ties this keeps: the same counts give the same merges.
 *
 * @module
 */

import { grown } from "./grown.ts";
import { Heap } from "./heap.ts";
import { PairTable } from "./pair_table.ts";

/** What {@linkcode BpeLearner} starts from. */
export interface BpeStart {
  /** Token strings by id: special tokens, then the alphabet. */
  tokens: readonly string[];
  /** Words as token ids, one after another. */
  symbols: Int32Array;
  /** Where each word begins in `symbols`, and one past the last. */
  starts: ArrayLike<number>;
  /** How often each word was seen. */
  counts: ArrayLike<number>;
}

/** A pair in the queue, with the words it may be in. */
interface Candidate {
  /** Number of the pair, and its two ids. */
  pair: number;
  left: number;
  right: number;
  /** The count when it was queued; behind when other merges took some. */
  count: number;
  /** Word numbers; a word may be listed twice, or hold the pair no more. */
  words: number[];
}

/** Learns one merge per {@linkcode step}. Overwrites `start.symbols`. */
export class BpeLearner {
  /** Token strings by id, growing with every new token. */
  readonly tokens: string[];
  #ids: Map<string, number>;
  #symbols: Int32Array;
  #starts: ArrayLike<number>;
  #lengths: Int32Array;
  #counts: ArrayLike<number>;
  /** Pairs by number: their two ids, and how often they occur now. */
  #pairs = new PairTable();
  #pairCount = 0;
  #lefts = new Int32Array(1 << 12);
  #rights = new Int32Array(1 << 12);
  #occurrences = new Float64Array(1 << 12);
  #queue = new Heap<Candidate>(comesFirst);
  /** Pairs that gained occurrences, and the words that hold each of them. */
  #gained: number[] = [];
  #gainedWords: (number[] | null)[] = [];
  /** Pair numbers in the order they are applied; a repeated one moves last. */
  #merges = new Set<number>();

  constructor(start: BpeStart) {
    this.tokens = [...start.tokens];
    this.#ids = new Map(this.tokens.map((token, id) => [token, id]));
    this.#symbols = start.symbols;
    this.#starts = start.starts;
    this.#counts = start.counts;
    this.#lengths = new Int32Array(start.starts.length - 1);
    for (let word = 0; word < this.#lengths.length; word++) {
      const begin = start.starts[word], end = start.starts[word + 1];
      this.#lengths[word] = end - begin;
      for (let i = begin + 1; i < end; i++) {
        this.#add(this.#symbols[i - 1], this.#symbols[i], word);
      }
    }
    this.#queueGained();
  }

  /**
   * Merges the most frequent pair; among equals the one with the lowest ids.
   *
   * @param minFrequency Pairs seen less often are left alone; at least 1.
   * @returns False when no such pair is left.
   */
  step(minFrequency: number): boolean {
    for (;;) {
      const top = this.#queue.pop();
      if (top === undefined) return false;
      const { pair, left, right } = top;
      if (top.count !== this.#occurrences[pair]) {
        top.count = this.#occurrences[pair];
        this.#queue.push(top);
        continue;
      }
      if (top.count < Math.max(1, minFrequency)) return false;
      this.#merges.delete(pair);
      this.#merges.add(pair);
      const merged = this.#idOf(this.tokens[left] + this.tokens[right]);
      for (const word of top.words) this.#mergeInWord(word, top, merged);
      this.#queueGained();
      return true;
    }
  }

  /** The merges so far, each as two token strings. */
  merges(): [string, string][] {
    return Array.from(this.#merges, (pair) => [
      this.tokens[this.#lefts[pair]],
      this.tokens[this.#rights[pair]],
    ]);
  }

  /** The id of a token; two different merges may spell the same one. */
  #idOf(token: string): number {
    const known = this.#ids.get(token);
    if (known !== undefined) return known;
    this.#ids.set(token, this.tokens.length);
    return this.tokens.push(token) - 1;
  }

  #mergeInWord(
    word: number,
    { left, right }: Candidate,
    merged: number,
  ): void {
    const symbols = this.#symbols, begin = this.#starts[word];
    const end = begin + this.#lengths[word];
    let out = begin;
    for (let i = begin; i < end; i++, out++) {
      if (symbols[i] !== left || i + 1 >= end || symbols[i + 1] !== right) {
        symbols[out] = symbols[i];
        continue;
      }
      if (out > begin) {
        this.#remove(symbols[out - 1], left, word);
        this.#add(symbols[out - 1], merged, word);
      }
      if (i + 2 < end) {
        this.#remove(right, symbols[i + 2], word);
        this.#add(merged, symbols[i + 2], word);
      }
      symbols[out] = merged;
      i++;
    }
    this.#lengths[word] = out - begin;
  }

  #add(left: number, right: number, word: number): void {
    const known = this.#pairs.get(left, right);
    const pair = known >= 0 ? known : this.#enter(left, right);
    this.#occurrences[pair] += this.#counts[word];
    const words = this.#gainedWords[pair];
    if (words === null) {
      this.#gainedWords[pair] = [word];
      this.#gained.push(pair);
    } else if (words[words.length - 1] !== word) words.push(word);
  }

  #enter(left: number, right: number): number {
    const pair = this.#pairCount++;
    if (pair === this.#lefts.length) {
      this.#lefts = grown(this.#lefts, Int32Array);
      this.#rights = grown(this.#rights, Int32Array);
      this.#occurrences = grown(this.#occurrences, Float64Array);
    }
    this.#pairs.set(left, right, pair);
    this.#lefts[pair] = left;
    this.#rights[pair] = right;
    this.#gainedWords.push(null);
    return pair;
  }

  #remove(left: number, right: number, word: number): void {
    const pair = this.#pairs.get(left, right);
    if (pair >= 0) this.#occurrences[pair] -= this.#counts[word];
  }

  #queueGained(): void {
    for (const pair of this.#gained) {
      const count = this.#occurrences[pair];
      if (count > 0) {
        const left = this.#lefts[pair], right = this.#rights[pair];
        const words = this.#gainedWords[pair]!;
        this.#queue.push({ pair, left, right, count, words });
      }
      this.#gainedWords[pair] = null;
    }
    this.#gained.length = 0;
  }
}

/** The more frequent first; then the lower left id, then the lower right. */
function comesFirst(a: Candidate, b: Candidate): boolean {
  if (a.count !== b.count) return a.count > b.count;
  if (a.left !== b.left) return a.left < b.left;
  return a.right < b.right;
}
