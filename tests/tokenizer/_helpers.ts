/**
 * Fixtures made by Python's tokenizers, and random text.
 *
 * @module
 */

import { fc } from "../_property.ts";

const FIXTURES = new URL("../fixtures/tokenizer/", import.meta.url);

/** The tokenizers of tests/fixtures/tokenizer/make_fixtures.py. */
export type FixtureName = "bpe" | "gpt2" | "llama" | "char" | "byte";

/** What Python's tokenizers say of one fixture. */
export interface Expected {
  ids: number[][];
  decoded: string[];
  oddIds: number[][];
  oddDecoded: string[];
  corpusTokens: number;
  corpusSum: number;
}

/** A fixture as text. */
export function readFixture(file: string): string {
  return Deno.readTextFileSync(new URL(file, FIXTURES));
}

const expected = JSON.parse(readFixture("expected.json"));

/** The strings whose ids are known. */
export const STRINGS: readonly string[] = expected.strings;

/** What Python's tokenizers give for {@linkcode STRINGS}. */
export function expectedOf(name: FixtureName): Expected {
  return expected[name];
}

/** Sum of id * position modulo 2^32: tells one order of ids from another. */
export function orderedSum(ids: Uint32Array): number {
  return ids.reduce((sum, id, i) => (sum + id * (i + 1)) % 2 ** 32, 0);
}

/** GPT-2's pattern, with `\s` as Hugging Face's engine has it. */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The words of `text` by a second method: the regular expression. */
export function splitWords(text: string): string[] {
  return text.match(WORD) ?? [];
}

/** Up to 8 code points, a third each of Latin, of the basic plane, of any. */
const codePoints = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 0x24f }),
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0, max: 0x10ffff }),
  ),
  { maxLength: 8 },
).map((points) => String.fromCodePoint(...points));

/**
 * Random well-formed text that exercises word patterns: all of Unicode, with
 * much white space, contractions, digits, marks and special tokens.
 */
export const anyText: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: codePoints },
    { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
    {
      weight: 6,
      arbitrary: fc.constantFrom(
        ...[" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u0085", "\u2028"],
        ...["\ufeff", "\u3000", "'s", "'ll", "n't", "1", "23", "\u0301"],
        ...[" time", "people", "question", "\u200d", "\0", "<|endoftext|>"],
        ...["日本語", "한국어", "हिन्दी", "שלום", "👩‍👩‍👧", "🇩🇪", "👍🏽", "é"],
      ),
    },
  ),
  { maxLength: 12 },
).map((parts) => parts.join("").toWellFormed());
