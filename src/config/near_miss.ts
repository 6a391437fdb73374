/**
 * "Did you mean …?": the word of a list that a typing mistake came from.
 *
 * @module
 */

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

function letters(word: string): string {
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
