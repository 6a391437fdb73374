/**
 * Byte-pair encoding, the counting part: how often each word occurs.
 *
 * Memory grows with the number of different words, not with the text. Counts
 * of parts of a corpus can be taken apart from each other and added up.
 *
 * @module
 */

import { detachWord, splitWords } from "./byte_level.ts";

/** Different words in the order they were first seen, with their counts. */
export type WordCounts = Map<string, number>;

/** Adds the words of `text` to `counts`. */
export function countWords(text: string, counts: WordCounts): void {
  for (const word of splitWords(text.toWellFormed())) {
    const seen = counts.get(word);
    if (seen === undefined) counts.set(detachWord(word), 1);
    else counts.set(word, seen + 1);
  }
}
