import assert from "node:assert/strict";
import { BpeLearner } from "../../src/tokenizer/bpe_merges.ts";
import { fc } from "../_property.ts";

Deno.test("BpeLearner merges the most frequent pair, ties by lower ids", () => {
  // ab x3, bc x3, cd x1: "ab" comes first, because a has a lower id than b.
  const learner = learnerOf({ ab: 2, abc: 1, bc: 2, cd: 1 });
  assert.ok(learner.step(0));
  // Now ab-c x1, bc x2, cd x1.
  assert.ok(learner.step(0));
  assert.ok(learner.step(0));
  assert.ok(learner.step(0));
  assert.equal(learner.step(0), false);
  assert.deepEqual(learner.merges(), [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
    ["ab", "c"],
  ]);
  assert.deepEqual(learner.tokens, [..."abcd", "ab", "bc", "cd", "abc"]);
});

Deno.test("BpeLearner leaves pairs below the minimum frequency alone", () => {
  const learner = learnerOf({ ab: 2, cd: 1 });
  assert.ok(learner.step(2));
  assert.equal(learner.step(2), false);
  assert.deepEqual(learner.merges(), [["a", "b"]]);
});

Deno.test("BpeLearner merges a run of one letter from the left", () => {
  const learner = learnerOf({ aaaaa: 1 });
  assert.ok(learner.step(0)); // aa aa a
  assert.ok(learner.step(0)); // aaaa a: (aa, a) and (aa, aa) tie, a is lower
  assert.deepEqual(learner.merges().slice(0, 2), [["a", "a"], ["aa", "a"]]);
});

Deno.test("BpeLearner agrees with counting everything anew each time", () => {
  const word = fc.string({ unit: fc.constantFrom(..."abcd"), maxLength: 9 });
  // Ties, and counts that no integer of 32 bits holds.
  const count = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) },
    { weight: 1, arbitrary: fc.integer({ min: 2 ** 31, max: 2 ** 40 }) },
  );
  const words = fc.dictionary(word, count);
  fc.assert(fc.property(words, (counts) => {
    const learner = learnerOf(counts);
    while (learner.tokens.length < 24 && learner.step(0));
    const slow = learnSlowly(counts, 24);
    assert.deepEqual(learner.tokens, slow.tokens);
    assert.deepEqual(learner.merges(), slow.merges);
  }));
});

const ALPHABET = [..."abcd"];

function learnerOf(counts: Record<string, number>): BpeLearner {
  const starts = [0], symbols: number[] = [];
  for (const word of Object.keys(counts)) {
    symbols.push(...[...word].map((letter) => ALPHABET.indexOf(letter)));
    starts.push(symbols.length);
  }
  return new BpeLearner({
    tokens: ALPHABET,
    symbols: Int32Array.from(symbols),
    starts: Int32Array.from(starts),
    counts: Object.values(counts),
  });
}

/** The same with plain strings, recounting all pairs for every merge. */
function learnSlowly(counts: Record<string, number>, vocabSize: number) {
  const tokens = [...ALPHABET], merges: [string, string][] = [];
  let words = Object.entries(counts).map(([word, count]) => ({
    parts: [...word],
    count,
  }));
  while (tokens.length < vocabSize) {
    const pairs = new Map<string, number>();
    for (const { parts, count } of words) {
      for (let i = 1; i < parts.length; i++) {
        const key = `${parts[i - 1]} ${parts[i]}`;
        pairs.set(key, (pairs.get(key) ?? 0) + count);
      }
    }
    const merged = new Set(merges.map((pair) => pair.join(" ")));
    const ranked = [...pairs].filter(([key]) => !merged.has(key)).map((
      [key, count],
    ) => ({ pair: key.split(" ") as [string, string], count }));
    if (ranked.length === 0) break;
    const id = (token: string) => tokens.indexOf(token);
    ranked.sort((a, b) =>
      b.count - a.count || id(a.pair[0]) - id(b.pair[0]) ||
      id(a.pair[1]) - id(b.pair[1])
    );
    const [left, right] = ranked[0].pair;
    merges.push([left, right]);
    if (!tokens.includes(left + right)) tokens.push(left + right);
    words = words.map(({ parts, count }) => {
      const out: string[] = [];
      for (let i = 0; i < parts.length; i++) {
        if (parts[i] === left && parts[i + 1] === right) {
          out.push(left + right);
          i++;
        } else out.push(parts[i]);
      }
      return { parts: out, count };
    });
  }
  return { tokens, merges };
}
