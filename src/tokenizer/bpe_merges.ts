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

import { Heap } from "./heap.ts";

/** What {@linkcode BpeLearner} starts from. */
export interface BpeStart {
  /** Token strings by id: special tokens, then the alphabet. */
  tokens: readonly string[];
  /** Words as token ids, one after another. */
  symbols: Int32Array;
  /** Where each word begins in `symbols`, and one past the last. */
  starts: Int32Array;
  /** How often each word was seen. */
  counts: ArrayLike<number>;
}

/** Two neighbouring tokens. */
interface Pair {
  left: number;
  right: number;
  /** Times that the pair occurs now in the text. */
  count: number;
}

/** A pair in the queue, with the words it may be in. */
interface Candidate {
  pair: Pair;
  /** The count when it was queued; behind when other merges took some. */
  count: number;
  /** Word numbers; a word may be listed twice, or hold the pair no more. */
  words: number[];
}

/** Above the largest vocabulary, so that two ids fit one exact double. */
const PAIR_BASE = 2 ** 21;

/** Learns one merge per {@linkcode step}. Overwrites `start.symbols`. */
export class BpeLearner {
  /** Token strings by id, growing with every new token. */
  readonly tokens: string[];
  #ids: Map<string, number>;
  #symbols: Int32Array;
  #starts: Int32Array;
  #lengths: Int32Array;
  #counts: ArrayLike<number>;
  #pairs = new Map<number, Pair>();
  #queue = new Heap<Candidate>(comesFirst);
  /** Pairs that gained occurrences, with the words that hold them. */
  #gained = new Map<Pair, number[]>();
  /** Pair keys in the order they are applied; a repeated one moves last. */
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
      const { pair } = top;
      if (top.count !== pair.count) {
        top.count = pair.count;
        this.#queue.push(top);
        continue;
      }
      if (top.count < Math.max(1, minFrequency)) return false;
      const key = pairKey(pair.left, pair.right);
      this.#merges.delete(key);
      this.#merges.add(key);
      const merged = this.#idOf(
        this.tokens[pair.left] + this.tokens[pair.right],
      );
      for (const word of top.words) this.#mergeInWord(word, pair, merged);
      this.#queueGained();
      return true;
    }
  }

  /** The merges so far, each as two token strings. */
  merges(): [string, string][] {
    return Array.from(this.#merges, (key) => [
      this.tokens[Math.floor(key / PAIR_BASE)],
      this.tokens[key % PAIR_BASE],
    ]);
  }

  /** The id of a token; two different merges may spell the same one. */
  #idOf(token: string): number {
    const known = this.#ids.get(token);
    if (known !== undefined) return known;
    this.#ids.set(token, this.tokens.length);
    return this.tokens.push(token) - 1;
  }

  #mergeInWord(word: number, { left, right }: Pair, merged: number): void {
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
    const key = pairKey(left, right);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      this.#pairs.set(key, pair = { left, right, count: 0 });
    }
    pair.count += this.#counts[word];
    const words = this.#gained.get(pair);
    if (words === undefined) this.#gained.set(pair, [word]);
    else if (words[words.length - 1] !== word) words.push(word);
  }

  #remove(left: number, right: number, word: number): void {
    const pair = this.#pairs.get(pairKey(left, right));
    if (pair !== undefined) pair.count -= this.#counts[word];
  }

  #queueGained(): void {
    for (const [pair, words] of this.#gained) {
      if (pair.count > 0) this.#queue.push({ pair, count: pair.count, words });
    }
    this.#gained.clear();
  }
}

function pairKey(left: number, right: number): number {
  return left * PAIR_BASE + right;
}

/** The more frequent first; then the lower left id, then the lower right. */
function comesFirst(a: Candidate, b: Candidate): boolean {
  if (a.count !== b.count) return a.count > b.count;
  if (a.pair.left !== b.pair.left) return a.pair.left < b.pair.left;
  return a.pair.right < b.pair.right;
}
