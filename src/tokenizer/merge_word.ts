/**
 * Applies merges to one word, the earliest learned first.
 *
 * Follows `Word::merge_all` of Hugging Face's src/models/bpe/word.rs: of all
 * pairs that stand in the word the one of the lowest rank, and of its places
 * the leftmost. Short words, nearly all, are gone through once per merge; for
 * long ones a queue keeps the time at O(n log n).
 *
 * @module
 */

import { Heap } from "./heap.ts";
import type { PairTable } from "./pair_table.ts";

/** Ids up to which going through all pairs is quicker than the queue. */
const SHORT = 32;
/** A rank and a place in a word are one exact double. */
const RANK_BASE = 2 ** 32;
const NONE = 0x7fffffff;

const shortRanks = new Int32Array(SHORT);

/** Merges by rank: 0 is the first to be applied. */
export interface Merges {
  /** The rank of a pair of ids. */
  ranks: PairTable;
  /** The id that the merge of each rank gives. */
  mergedIds: Uint32Array;
}

/**
 * Merges the first `length` of `ids` in place.
 *
 * @returns How many are left.
 */
export function mergeWord(
  ids: Uint32Array,
  length: number,
  merges: Merges,
): number {
  return length <= SHORT
    ? mergeShort(ids, length, merges)
    : mergeLong(ids, length, merges);
}

function mergeShort(
  ids: Uint32Array,
  length: number,
  { ranks, mergedIds }: Merges,
): number {
  const rankOf = (left: number, right: number) => {
    const rank = ranks.get(left, right);
    return rank < 0 ? NONE : rank;
  };
  for (let i = 0; i + 1 < length; i++) {
    shortRanks[i] = rankOf(ids[i], ids[i + 1]);
  }
  for (;;) {
    let best = NONE, at = -1;
    for (let i = 0; i + 1 < length; i++) {
      if (shortRanks[i] < best) {
        best = shortRanks[i];
        at = i;
      }
    }
    if (at < 0) return length;
    ids[at] = mergedIds[best];
    length--;
    for (let i = at + 1; i < length; i++) {
      ids[i] = ids[i + 1];
      shortRanks[i] = shortRanks[i + 1];
    }
    if (at > 0) shortRanks[at - 1] = rankOf(ids[at - 1], ids[at]);
    if (at + 1 < length) shortRanks[at] = rankOf(ids[at], ids[at + 1]);
  }
}

function mergeLong(
  ids: Uint32Array,
  length: number,
  { ranks, mergedIds }: Merges,
): number {
  const GONE = 0xffffffff;
  // Neighbors of each place that is still there; length and -1 are the ends.
  const next = new Int32Array(length), prev = new Int32Array(length);
  const queue = new Heap<number>((a, b) => a < b);
  const rankAt = (left: number) =>
    left >= 0 && next[left] < length
      ? ranks.get(ids[left], ids[next[left]])
      : -1;
  const offer = (left: number) => {
    const rank = rankAt(left);
    if (rank >= 0) queue.push(rank * RANK_BASE + left);
  };
  for (let i = 0; i < length; i++) {
    next[i] = i + 1;
    prev[i] = i - 1;
  }
  for (let i = 0; i < length; i++) offer(i);

  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    const left = top % RANK_BASE, rank = (top - left) / RANK_BASE;
    // Another merge may have taken this place, or changed the pair there.
    if (ids[left] === GONE || rankAt(left) !== rank) continue;
    const right = next[left];
    ids[left] = mergedIds[rank];
    ids[right] = GONE;
    next[left] = next[right];
    if (next[left] < length) prev[next[left]] = left;
    offer(prev[left]);
    offer(left);
  }
  let kept = 0;
  for (let i = 0; i < length; i++) if (ids[i] !== GONE) ids[kept++] = ids[i];
  return kept;
}
