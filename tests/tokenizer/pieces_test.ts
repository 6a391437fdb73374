import assert from "node:assert/strict";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import {
  cutForEncoding,
  splitForEncoding,
  splitForTraining,
} from "../../src/tokenizer/pieces.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { WordCounts } from "../../src/tokenizer/word_counts.ts";
import { draws, fc } from "../_property.ts";
import { anyText, readFixture } from "./_helpers.ts";

/** With lone surrogates in it, now and then. */
const anyTexts = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: anyText },
    { weight: 1, arbitrary: fc.constantFrom("\ud83d", "\ude00", " \ud83d") },
  ),
  { maxLength: 3 },
);

for (const name of ["bpe", "gpt2", "char", "byte"]) {
  const tokenizer = await loadTokenizer(readFixture(`${name}.json`));

  Deno.test(`cutForEncoding() changes no id of ${name}.json`, () => {
    fc.assert(
      fc.property(anyTexts, fc.nat(), (texts, place) => {
        // What is known ends anywhere: in a word, a pair, an added token.
        const whole = texts.join("");
        const cut = cutForEncoding(
          tokenizer,
          whole.slice(0, place % (whole.length + 1)),
        );
        assertSafe(tokenizer, whole, cut);
      }),
      { numRuns: draws(1000) },
    );
  });
}

Deno.test("cutForEncoding() cuts after a word, before its white space", async () => {
  const tokenizer = await loadTokenizer(readFixture("bpe.json"));
  assert.equal(cutForEncoding(tokenizer, "one two  three"), 7);
  assert.equal(cutForEncoding(tokenizer, "one two  "), 7);
  assert.equal(cutForEncoding(tokenizer, "  one"), 0);
  assert.equal(cutForEncoding(tokenizer, ""), 0);
});

Deno.test("cutForEncoding() keeps surrogate pairs of char together", async () => {
  const tokenizer = await loadTokenizer(readFixture("char.json"));
  assert.equal(cutForEncoding(tokenizer, "ab\ud83d"), 2);
  assert.equal(cutForEncoding(tokenizer, "ab🙂"), 4);
});

Deno.test("cutForEncoding() asks a tokenizer that it does not know", () => {
  // Takes a line's end together with the full stop before it.
  const fake = fakeTokenizer((text) => text.match(/\.\n|\w+|[^]/g) ?? []);
  const text = "one two.\n".repeat(100);
  const cut = cutForEncoding(fake, text);
  assert.ok(cut > 0 && text.startsWith(" two.", cut), `${cut}`);
  assertSafe(fake, text, cut);
  // The whole text is one token: no cut is.
  const whole = fakeTokenizer((text) => [text]);
  assert.equal(cutForEncoding(whole, text), 0);
});

Deno.test("cutForEncoding() cuts for llama.json, which marks words", async () => {
  const tokenizer = await loadTokenizer(readFixture("llama.json"));
  const text = readFixture("corpus.txt").slice(0, 5000);
  const cut = cutForEncoding(tokenizer, text);
  assert.ok(cut > 4000, `${cut}`);
  assertSafe(tokenizer, text, cut);
});

Deno.test("cutForEncoding() leaves an added token with a space whole", async () => {
  const root = JSON.parse(readFixture("bpe.json"));
  root.added_tokens.push({ ...root.added_tokens[0], content: "year way" });
  const tokenizer = await loadTokenizer(JSON.stringify(root));
  const text = "year way".repeat(9) + " day" + "year way".repeat(34);
  const cut = cutForEncoding(tokenizer, text);
  assert.equal(cut, text.indexOf(" day"));
  assertSafe(tokenizer, text, cut);
});

for (const name of ["bpe", "char", "byte", "llama"]) {
  Deno.test(`splitForEncoding() gives the ids of the whole for ${name}.json`, async () => {
    const tokenizer = await loadTokenizer(readFixture(`${name}.json`));
    const text = readFixture("corpus.txt").repeat(3) + "  \n";
    const ids: Uint32Array[] = [], lengths: number[] = [];
    for await (
      const piece of splitForEncoding(tokenizer, chunksOf(text, 9999))
    ) {
      ids.push(tokenizer.encode(piece));
      lengths.push(piece.length);
    }
    assert.deepEqual(concat(ids), tokenizer.encode(text));
    assert.equal(lengths.length, 3);
    assert.ok(Math.max(...lengths) <= 1 << 17);
  });
}

Deno.test("splitForEncoding() ends a piece with a line where no cut is safe", async () => {
  const whole = fakeTokenizer((text) => [text]);
  const line = "x".repeat(999) + "\n";
  const pieces = [];
  for await (const piece of splitForEncoding(whole, [line.repeat(10_000)])) {
    pieces.push(piece.length);
  }
  assert.deepEqual(pieces, [8_388_000, 1_612_000]); // 2^23 = 8,388,608
});

Deno.test("splitForEncoding() gives nothing for nothing", async () => {
  const tokenizer = await loadTokenizer(readFixture("byte.json"));
  assert.deepEqual(await Array.fromAsync(splitForEncoding(tokenizer, [])), []);
  assert.deepEqual(
    await Array.fromAsync(splitForEncoding(tokenizer, [""])),
    [],
  );
});

Deno.test("splitForTraining() keeps the counts of words", async () => {
  const text = readFixture("corpus.txt").repeat(3);
  const whole = new WordCounts(), parts = new WordCounts();
  const encoder = new TextEncoder();
  whole.add(encoder.encode(text));
  let pieces = 0;
  for await (const piece of splitForTraining(chunksOf(text, 777))) {
    parts.add(encoder.encode(piece));
    pieces++;
  }
  assert.deepEqual(parts.take(), whole.take());
  assert.equal(pieces, 3);
});

/** Both sides of `cut` have the ids of the whole. */
function assertSafe(tokenizer: Tokenizer, text: string, cut: number): void {
  assert.deepEqual(
    [
      ...tokenizer.encode(text.slice(0, cut)),
      ...tokenizer.encode(text.slice(cut)),
    ],
    [...tokenizer.encode(text)],
    JSON.stringify([text.slice(0, cut), text.slice(cut)]),
  );
}

function concat(parts: Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Parts of `size` units; the last may be shorter. */
function* chunksOf(text: string, size: number): Generator<string> {
  for (let at = 0; at < text.length; at += size) {
    yield text.slice(at, at + size);
  }
}

/** A tokenizer whose ids are made from what `split` makes of a text. */
function fakeTokenizer(split: (text: string) => string[]): Tokenizer {
  const sum = (word: string) =>
    [...word].reduce((n, c) => n * 31 + c.codePointAt(0)! | 0, 7);
  return {
    type: "fake",
    vocabSize: 2 ** 32,
    endOfText: null,
    json: "",
    fingerprint: "",
    encode: (text) => Uint32Array.from(split(text), sum),
    decode: () => "",
  };
}
