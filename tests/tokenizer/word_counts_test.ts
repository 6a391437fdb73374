import assert from "node:assert/strict";
import { WordCounts } from "../../src/tokenizer/word_counts.ts";
import type { CountedWords } from "../../src/tokenizer/word_counts.ts";
import { WordTable } from "../../src/tokenizer/word_table.ts";
import { fc } from "../_property.ts";

const encoder = new TextEncoder();

Deno.test("WordTable numbers any words in the order they come", () => {
  const word = fc.uint8Array({ minLength: 1, maxLength: 5 });
  fc.assert(fc.property(fc.array(word, { maxLength: 300 }), (words) => {
    const table = new WordTable(), numbers = new Map<string, number>();
    for (const word of words) {
      const key = word.join(" ");
      const known = numbers.get(key) ?? numbers.size;
      numbers.set(key, known);
      const padded = Uint8Array.of(7, ...word, 7);
      assert.equal(table.enter(padded, 1, 1 + word.length), known);
    }
    assert.equal(table.size, numbers.size);
    for (const [key, number] of numbers) {
      const { bytes, starts } = table;
      const letters = bytes.subarray(starts[number], starts[number + 1]);
      assert.equal(letters.join(" "), key);
    }
  }));
});

Deno.test("WordTable keeps 100,000 words apart, and forgets them", () => {
  const table = new WordTable();
  const number = (i: number) => {
    const bytes = encoder.encode(i.toString(36));
    return table.enter(bytes, 0, bytes.length);
  };
  for (let i = 0; i < 100_000; i++) assert.equal(number(i), i);
  for (let i = 0; i < 100_000; i += 7) assert.equal(number(i), i);
  table.clear();
  assert.equal(table.size, 0);
  assert.equal(number(5), 0);
  assert.equal(number(6), 1);
  assert.equal(number(5), 0);
});

Deno.test("WordCounts counts the words of texts, parts added up", () => {
  const one = new WordCounts(), other = new WordCounts();
  one.add(encoder.encode("a rose is a rose"));
  other.add(encoder.encode("a rose"));
  other.add(encoder.encode(" is"));
  one.merge(other.take());
  assert.deepEqual(byWord(one.take()), {
    "a": 2,
    " rose": 3,
    " is": 2,
    " a": 1,
  });
  assert.equal(one.size, 4);
});

Deno.test("WordCounts forgets the rarest words beyond its limit", () => {
  const counts = new WordCounts(4);
  counts.add(encoder.encode(" a".repeat(5) + " b".repeat(4) + " c c d"));
  assert.equal(counts.dropped, 0);
  counts.add(encoder.encode(" e b f"));
  // With " e" there were five: counts 1 1 2 4 5, of which those above 2 stay.
  assert.deepEqual(byWord(counts.take()), { " a": 5, " b": 5, " f": 1 });
  assert.equal(counts.take().dropped, 3);
  const all = new WordCounts();
  for (let part = 0; part < 2; part++) all.merge(counts.take());
  assert.equal(all.dropped, 6);
});

function byWord({ bytes, starts, counts }: CountedWords) {
  const decoder = new TextDecoder();
  return Object.fromEntries(Array.from(counts, (count, word) => [
    decoder.decode(bytes.subarray(starts[word], starts[word + 1])),
    count,
  ]));
}
