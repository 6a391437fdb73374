/**
 * Patterns of files as the head of a README.md has them, matched in time that
 * grows with both lengths: whoever writes the pattern writes the paths, too,
 * and a regular expression can be made to take years.
 *
 * `*` and `?` stay within a folder, `**` is any number of folders, `[a-z]` and
 * `[!a]` are one character. Names that begin with a dot are hidden.
 * Source: fsspec, `AbstractFileSystem.glob`, which the hub's library uses.
 *
 * @module
 */

/** What one character of a name may be. */
type One = (character: string) => boolean;
/** Characters, and null for any number of them. */
type NamePattern = (One | null)[];

/** Whether `path` is one that `pattern` means. Both are cut at slashes. */
export function matchesGlob(path: string, pattern: string): boolean {
  const names = path.split("/").map((name) => [...name]);
  const parts = pattern.split("/")
    .map((part) => part === "**" ? null : namePattern(part));
  return matches(names, parts, (part, name) => matchesName(name, part));
}

/**
 * Whether `items` fit `parts`, of which null stands for any number of them.
 * Where something does not fit, only the last null can take more.
 */
function matches<T, P>(
  items: readonly T[],
  parts: readonly (P | null)[],
  fits: (part: P, item: T) => boolean,
): boolean {
  let item = 0, part = 0;
  let back: { item: number; part: number } | null = null;
  while (item < items.length) {
    const wanted = parts[part];
    if (wanted === null) back = { item, part: ++part };
    else if (wanted !== undefined && fits(wanted, items[item])) item++, part++;
    else if (back !== null) [item, part] = [++back.item, back.part];
    else return false;
  }
  return parts.slice(part).every((left) => left === null);
}

function matchesName(name: string[], pattern: NamePattern): boolean {
  const isHidden = name[0] === ".";
  const meansHidden = pattern[0]?.(".") === true && pattern[0] !== ANY;
  return (!isHidden || meansHidden) &&
    matches(name, pattern, (one, character) => one(character));
}

const ANY: One = () => true;

function namePattern(text: string): NamePattern {
  const pattern: NamePattern = [];
  const tokens = text.matchAll(/\*+|\?|\[(!?)([^\]]+)\]|./gsu);
  for (const [token, not, set] of tokens) {
    if (token.startsWith("*")) pattern.push(null);
    else if (token === "?") pattern.push(ANY);
    else if (set !== undefined) {
      const isIn = oneOf(set);
      pattern.push((c) => isIn(c) === (not === ""));
    } else pattern.push((c) => c === token);
  }
  return pattern;
}

/** `a-z_` */
function oneOf(set: string): One {
  const ranges = [...set.matchAll(/(.)-(.)|./gsu)]
    .map(([one, from = one, to = one]) => [from, to]);
  return (c) => ranges.some(([from, to]) => from <= c && c <= to);
}
