/**
 * "Did you mean …?": the words of a list that a person probably meant.
 *
 * @module
 */

import { ourWords } from "./other_words.ts";

/**
 * The candidate closest to `word`, or null if none is close.
 *
 * Case, `-` and `_` count for nothing, so that `n_layer` finds `nLayer`.
 * Close means at most one typing mistake per three letters.
 */
export function nearMiss(
  word: string,
  candidates: Iterable<string>,
): string | null {
  const wanted = letters(word);
  let best: string | null = null;
  let bestDistance = Math.floor(Math.max(3, wanted.length) / 3) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, letters(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/**
 * The candidates that `name`, of one or more words, may stand for: the same
 * with other dashes, what other programs call so, the closest, or those that
 * have its words among theirs. `id` finds `run-id`, `max_iters` finds `steps`.
 *
 * @returns The likeliest first; empty if none is likely.
 */
export function likelyNames(
  name: string,
  candidates: readonly string[],
): string[] {
  const called = (wanted: string) =>
    candidates.filter((candidate) => letters(candidate) === letters(wanted));
  const same = called(name);
  if (same.length > 0) return same;
  const ours = ourWords(letters(name)).flatMap(called);
  if (ours.length > 0) return ours;
  const near = nearMiss(name, candidates);
  return near === null ? sharingWords(name, candidates) : [near];
}

/** Candidates that have all words of `name`; those with fewest others. */
function sharingWords(name: string, candidates: readonly string[]): string[] {
  const wanted = wordsOf(name);
  if (wanted.length === 0) return [];
  const sharing = candidates.filter((candidate) => {
    const its = wordsOf(candidate);
    return wanted.every((word) => its.some((one) => isShortFor(word, one)));
  });
  const fewest = Math.min(...sharing.map((one) => wordsOf(one).length));
  return sharing.filter((one) => wordsOf(one).length === fewest);
}

function isShortFor(word: string, whole: string): boolean {
  if (word === whole || word === `${whole}s`) return true;
  return word.length >= 3 && whole.startsWith(word);
}

function wordsOf(name: string): string[] {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase()
    .split(/[-_.\s]+/).filter((word) => word !== "");
}

/** `word` without what makes a flag of a setting, or the reverse. */
export function letters(word: string): string {
  return word.toLowerCase().replaceAll(/[-_\s]/g, "");
}

/** Insertions, deletions, replacements and swaps that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  // Rows of the Damerau-Levenshtein table for the last two letters of a.
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(
        previous[j] + 1,
        row[j - 1] + 1,
        previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length];
}
