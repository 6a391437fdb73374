import assert from "node:assert/strict";
import {
  philox,
  PhiloxStream,
  seedKey,
  STREAM,
} from "../../src/base/philox.ts";

// Known answers of Random123 1.14, tests/kat_vectors, "philox4x32 10".
Deno.test("philox() returns the known answer of each vector", () => {
  const vectors = [
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      answer: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      answer: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      answer: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const;
  for (const { counter, key, answer } of vectors) {
    assert.deepEqual(philox([...counter], key), [...answer]);
  }
});

Deno.test("seedKey() splits 53 bits into two words", () => {
  assert.deepEqual(seedKey(1337), [1337, 0]);
  assert.deepEqual(seedKey(Number.MAX_SAFE_INTEGER), [0xffffffff, 0x1fffff]);
});

Deno.test("PhiloxStream begins with the block that its counter names", () => {
  const stream = new PhiloxStream(7, STREAM.init, 3);
  const words = [0, 1, 2, 3, 4].map(() => stream.uint32());
  const block = (n: number) => philox([n, 0, 3, STREAM.init], [7, 0]);
  assert.deepEqual(words, [...block(0), block(1)[0]]);
});

Deno.test("PhiloxStream.uniform() keeps the upper 24 bits of a word", () => {
  const words = new PhiloxStream(1, STREAM.dropout);
  const uniforms = new PhiloxStream(1, STREAM.dropout);
  for (let i = 0; i < 100; i++) {
    const value = uniforms.uniform();
    assert.equal(value, (words.uint32() >>> 8) / 16777216);
    assert.equal(value, Math.fround(value));
  }
});

Deno.test("PhiloxStream.below() takes every value about equally often", () => {
  const stream = new PhiloxStream(2, STREAM.shuffle);
  const counts = new Array(7).fill(0);
  for (let i = 0; i < 7000; i++) counts[stream.below(7)]++;
  // Binomial with mean 1000, standard deviation 29: five of them.
  for (const count of counts) {
    assert.ok(Math.abs(count - 1000) < 147, String(counts));
  }
});

Deno.test("PhiloxStream.normal() has mean 0, deviation 1 and normal tails", () => {
  const stream = new PhiloxStream(3, STREAM.init);
  const n = 20_000;
  let sum = 0, squares = 0, beyondTwo = 0;
  for (let i = 0; i < n; i++) {
    const x = stream.normal();
    sum += x, squares += x * x;
    if (Math.abs(x) > 2) beyondTwo++;
  }
  // Five standard errors each: 1/sqrt(n), sqrt(2/n), sqrt(p(1-p)/n).
  assert.ok(Math.abs(sum / n) < 0.036);
  assert.ok(Math.abs(squares / n - 1) < 0.05);
  assert.ok(Math.abs(beyondTwo / n - 0.0455) < 0.0074);
});

Deno.test("PhiloxStream.permutation() holds every index once", () => {
  const order = new PhiloxStream(4, STREAM.shuffle, 1).permutation(1000);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  const other = new PhiloxStream(4, STREAM.shuffle, 2).permutation(1000);
  assert.notDeepEqual(order, other);
  const again = new PhiloxStream(4, STREAM.shuffle, 1).permutation(1000);
  assert.deepEqual(order, again);
});
