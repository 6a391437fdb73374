import assert from "node:assert/strict";
import {
  CLASS,
  classOf,
  codePointAt,
  sequenceLength,
} from "../../src/tokenizer/code_points.ts";
import { wordEnd } from "../../src/tokenizer/words.ts";
import { draws, fc } from "../_property.ts";
import { anyText, splitWords } from "./_helpers.ts";

Deno.test.each([
  ["Hello, world!", ["Hello", ",", " world", "!"]],
  ["we'll don't DON'T", ["we", "'ll", " don", "'t", " DON", "'", "T"]],
  ["a  b\n\nc ", ["a", " ", " b", "\n", "\n", "c", " "]],
  ["x1 22½", ["x", "1", " 22½"]],
  ["e\u0301", ["e", "\u0301"]],
  // White space to Hugging Face, not to JavaScript's \s, and the reverse.
  ["a\u0085\u0085b", ["a", "\u0085", "\u0085", "b"]],
  ["a\ufeffb", ["a", "\ufeff", "b"]],
  [" \ufeff", [" \ufeff"]],
  ["it'", ["it", "'"]],
  ["'re 'r 'v", ["'re", " '", "r", " '", "v"]],
  ["", []],
] as [string, string[]][])("wordEnd() cuts %j like GPT-2", (text, words) => {
  assert.deepEqual(wordsOf(text), words);
});

Deno.test("wordEnd() cuts any text as the regular expression does", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert.deepEqual(wordsOf(text), splitWords(text));
    }),
    { numRuns: draws(2000) },
  );
});

Deno.test("classOf() agrees with the regular expressions", () => {
  const kinds = [
    [CLASS.letter, /\p{L}/u],
    [CLASS.digit, /\p{N}/u],
    [CLASS.space, /\p{White_Space}/u],
  ] as const;
  // 7,919 is prime to the blocks of 256 that are classified at once.
  for (let at = 0; at < 0x110000; at += at < 0x3100 ? 1 : 7919) {
    const character = String.fromCodePoint(at);
    const [kind] = kinds.find(([, pattern]) => pattern.test(character)) ??
      [CLASS.sign];
    assert.equal(classOf(at), kind, `U+${at.toString(16)}`);
  }
});

Deno.test("codePointAt() reads UTF-8 of every length", () => {
  for (const point of [0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff]) {
    const bytes = new TextEncoder().encode(String.fromCodePoint(point));
    assert.equal(codePointAt(bytes, 0), point);
    assert.equal(sequenceLength(bytes[0]), bytes.length);
  }
  assert.equal(sequenceLength(0x41), 1);
});

function wordsOf(text: string): string[] {
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const words: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = wordEnd(bytes, at, bytes.length);
    words.push(decoder.decode(bytes.subarray(at, end)));
    at = end;
  }
  return words;
}
