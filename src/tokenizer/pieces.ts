/**
 * Cuts long texts into pieces that can be encoded one by one, in any order,
 * with the same ids as the whole.
 *
 * A cut is sought where a word ends and white space begins. There GPT-2's
 * words end whatever follows, and the white space starts a new word whatever
 * came before. So for `bpe`, `byte` and `char` the ids are the same without
 * exception. Any other tokenizer is asked about the neighborhood of each cut,
 * on the assumption that what lies farther away does not matter.
 *
 * @module
 */

import { LoadedTokenizer } from "./load.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** UTF-16 units of a usual piece. */
const PIECE_LENGTH = 1 << 17;
/** Where no cut is found in this many units, one is made at a line's end. */
const LONGEST_PIECE = 1 << 23;
/** Units on either side of a cut that another tokenizer is asked about. */
const NEIGHBORHOOD = 256;
/** Cuts to ask another tokenizer about before giving up. */
const TRIES = 16;

/**
 * Pieces of the text that `chunks` join to, with the same ids as the whole.
 *
 * A tokenizer that begins every text in its own way may allow no cut: its
 * pieces then end with a line after at most 8 million units, and an id can
 * differ where a piece begins.
 */
export async function* splitForEncoding(
  tokenizer: Tokenizer,
  chunks: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<string> {
  yield* split(chunks, (text) => cutForEncoding(tokenizer, text));
}

/** Pieces that hold whole words, so that they count as in the whole. */
export async function* splitForTraining(
  chunks: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<string> {
  yield* split(chunks, (text) => lastWordEnd(text, text.length));
}

/**
 * The last place at which `text` can be cut, whatever follows it, so that both
 * sides encoded by themselves give the ids of the whole; 0 if there is none.
 */
export function cutForEncoding(tokenizer: Tokenizer, text: string): number {
  const cutsAt = tokenizer instanceof LoadedTokenizer
    ? tokenizer.cutsAt
    : "request";
  if (cutsAt === "characters") return lastCharacterEnd(text);
  if (cutsAt === "words") return lastWordEnd(text, text.length);
  let cut = lastWordEnd(text, text.length - NEIGHBORHOOD);
  for (let tries = 0; tries < TRIES && cut > 0; tries++) {
    if (isSafeCut(tokenizer, text, cut)) return cut;
    cut = lastWordEnd(text, cut);
  }
  return 0;
}

async function* split(
  chunks: Iterable<string> | AsyncIterable<string>,
  cutOf: (text: string) => number,
): AsyncGenerator<string> {
  let rest = "", window = PIECE_LENGTH;
  for await (const chunk of chunks) {
    rest += chunk;
    while (rest.length >= window) {
      const text = rest.slice(0, window);
      let cut = cutOf(text);
      if (cut === 0 && window >= LONGEST_PIECE) cut = lastLineEnd(text);
      if (cut === 0) {
        window *= 2;
        continue;
      }
      yield text.slice(0, cut);
      rest = rest.slice(cut);
      window = PIECE_LENGTH;
    }
  }
  if (rest !== "") yield rest;
}

/** The last place below `end` that has a word before and a space after it. */
function lastWordEnd(text: string, end: number): number {
  for (let at = end - 1; at > 0; at--) {
    if (isSpace(text[at]) && !isSpace(text[at - 1])) return at;
  }
  return 0;
}

/** White space as `words.ts` has it; all of it is below U+10000. */
function isSpace(unit: string): boolean {
  return /\p{White_Space}/u.test(unit);
}

/** The length of `text` without the first half of a surrogate pair. */
function lastCharacterEnd(text: string): number {
  return /[\uD800-\uDBFF]$/.test(text) ? text.length - 1 : text.length;
}

function lastLineEnd(text: string): number {
  return text.lastIndexOf("\n") + 1 || lastCharacterEnd(text);
}

function isSafeCut(tokenizer: Tokenizer, text: string, cut: number): boolean {
  const left = text.slice(Math.max(0, cut - NEIGHBORHOOD), cut);
  const right = text.slice(cut, cut + NEIGHBORHOOD);
  const whole = tokenizer.encode(left + right);
  const parts = [...tokenizer.encode(left), ...tokenizer.encode(right)];
  return whole.length === parts.length &&
    parts.every((id, i) => id === whole[i]);
}
