import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BYTE_CHARACTERS,
  CHARACTER_BYTES,
  detachWord,
  splitWords,
} from "../../src/tokenizer/byte_level.ts";
import { anyText } from "./_helpers.ts";

Deno.test("BYTE_CHARACTERS has GPT-2's character for each byte", () => {
  const at = (text: string) =>
    Array.from(
      new TextEncoder().encode(text),
      (byte) => BYTE_CHARACTERS[byte],
    ).join("");
  assert.equal(at(" a~\n\t!"), "Ġa~Ċĉ!");
  assert.equal(at("é"), "Ã©");
  // The 68 bytes without a look of their own follow U+00FF in order.
  assert.equal(BYTE_CHARACTERS[0x00], "\u0100");
  assert.equal(BYTE_CHARACTERS[0x7f], "\u0121");
  assert.equal(BYTE_CHARACTERS[0xad], "\u0143");
  assert.equal(new Set(BYTE_CHARACTERS).size, 256);
  assert.equal(CHARACTER_BYTES.get("Ġ"), 0x20);
});

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
  ["", []],
] as [string, string[]][])("splitWords() cuts %j like GPT-2", (text, words) => {
  assert.deepEqual(splitWords(text), words);
});

Deno.test("splitWords() loses nothing of any text", () => {
  fc.assert(fc.property(anyText, (text) => {
    assert.equal(splitWords(text).join(""), text);
  }));
});

Deno.test("detachWord() gives an equal word, byte order marks included", () => {
  fc.assert(fc.property(anyText, (text) => {
    assert.equal(detachWord(text), text);
  }));
  assert.equal(detachWord("\ufeff".repeat(20)), "\ufeff".repeat(20));
});
