/**
 * JSON whose keys have escapes in them, past a fault of V8's.
 *
 * Where objects have begun with the same keys before, `JSON.parse` expects the
 * key that followed, and compares it with the raw text: after `{"\\":0}`, the
 * key of `{"\n":0}` can be read as a backslash. Vocabularies have such keys. So
 * they are parsed under names without escapes, and then called by their own.
 * Source: https://github.com/nodejs/node/issues/63785.
 *
 * @module
 */

/** A key in a text, with its quotation marks. */
export interface KeyRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What `JSON.parse` ought to give, in time and memory of a few of these.
 *
 * @param escaped All keys with escapes, in order.
 * @throws {SyntaxError} As `JSON.parse` does.
 */
export function parseRenamed(
  text: string,
  escaped: readonly KeyRange[],
): unknown {
  const prefix = unusedPrefix(text);
  // One for all spellings of a key: of two in one object the last counts.
  const aliases = new Map<string, string>();
  const nameOf = (key: string) => {
    if (!needsEscapes(key) && !key.startsWith(prefix)) return key;
    const alias = aliases.get(key) ?? `${prefix}${aliases.size}`;
    aliases.set(key, alias);
    return alias;
  };
  let renamed = "", from = 0;
  try {
    for (const { start, end } of escaped) {
      const name = nameOf(JSON.parse(text.slice(start, end)));
      renamed += `${text.slice(from, start)}"${name}"`;
      from = end;
    }
    const value = JSON.parse(renamed + text.slice(from));
    return withNames(value, new Map([...aliases].map(([a, b]) => [b, a])));
  } catch {
    return JSON.parse(text); // which fails as well, and knows where
  }
}

/** With which no key of `text` begins. */
function unusedPrefix(text: string): string {
  const used = new Set<string>();
  for (const [, number] of text.matchAll(/"#(\d{1,9}):/g)) used.add(number);
  let number = 0;
  while (used.has(String(number))) number++;
  return `#${number}:`;
}

function needsEscapes(key: string): boolean {
  return Array.from(key).some((one) =>
    one < " " || one === '"' || one === "\\"
  );
}

function withNames(
  value: unknown,
  names: ReadonlyMap<string, string>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => withNames(one, names));
  return Object.fromEntries(
    Object.entries(value).map((
      [key, one],
    ) => [names.get(key) ?? key, withNames(one, names)]),
  );
}
