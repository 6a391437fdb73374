/**
 * What a vocabulary is made of.
 *
 * @module
 */

import type { LoadedTokenizer } from "./load.ts";
import { parseTokenizerJson } from "./tokenizer_json.ts";

/** A token and its id. */
export interface NamedToken {
  id: number;
  text: string;
}

/** What kinds of tokens there are. */
const TOKEN_KINDS = [
  "special",
  "letters after a space",
  "letters",
  "digits",
  "white space",
  "signs and mixtures",
  "parts of characters",
  "unused ids",
] as const;

/** One of {@linkcode TOKEN_KINDS}. */
export type TokenKind = typeof TOKEN_KINDS[number];

/** See {@linkcode reportVocabulary}. */
export interface VocabularyReport {
  /** How many tokens of each kind there are. */
  kinds: Record<TokenKind, number>;
  /** How many tokens have so many bytes: index 1 those of one byte. */
  lengths: number[];
  special: NamedToken[];
  longest: NamedToken[];
}

/** How many of the longest tokens are named. */
const LONGEST = 8;

/** Looks at every token of `tokenizer`. */
export function reportVocabulary(
  tokenizer: LoadedTokenizer,
): VocabularyReport {
  const { addedTokens } = parseTokenizerJson(tokenizer.json, "tokenizer.json");
  const special = addedTokens.filter((token) => token.special)
    .map(({ id, content }) => ({ id, text: content }));
  const specialIds = new Set(special.map(({ id }) => id));
  const kinds = Object.fromEntries(
    TOKEN_KINDS.map((kind) => [kind, 0]),
  ) as Record<TokenKind, number>;
  const lengths: number[] = [], all: NamedToken[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (specialIds.has(id)) {
      kinds.special++;
      continue;
    }
    const bytes = tokenizer.decodeUtf8([id]);
    kinds[kindOf(bytes)]++;
    lengths[bytes.length] = (lengths[bytes.length] ?? 0) + 1;
    all.push({ id, text: tokenizer.decode([id]) });
  }
  const longest = all.sort((a, b) =>
    b.text.length - a.text.length || a.id - b.id
  )
    .slice(0, LONGEST);
  return {
    kinds,
    lengths: Array.from(lengths, (count) => count ?? 0),
    special,
    longest,
  };
}

function kindOf(bytes: Uint8Array): TokenKind {
  if (bytes.length === 0) return "unused ids";
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return "parts of characters";
  }
  if (/^ \p{L}+$/u.test(text)) return "letters after a space";
  if (/^\p{L}+$/u.test(text)) return "letters";
  if (/^ ?\p{N}+$/u.test(text)) return "digits";
  return /^\s+$/u.test(text) ? "white space" : "signs and mixtures";
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
