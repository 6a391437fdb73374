import assert from "node:assert/strict";
import {
  MixedOrder,
  WholeOrder,
  type WindowOrder,
} from "../../../src/data/batches/window_order.ts";
import { fc } from "../../_property.ts";

Deno.test("WholeOrder has every window of every source once per epoch", () => {
  const counts = fc.array(fc.nat(30), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(
    counts.filter((counts) => counts.some((count) => count > 0)),
    fc.maxSafeNat(),
    fc.nat(1000),
    (counts, seed, epoch) => {
      const order = new WholeOrder(counts, seed);
      const all = counts.flatMap((count, source) =>
        Array.from({ length: count }, (_, window) => `${source} ${window}`)
      );
      assert.equal(order.windows, all.length);
      const seen = places(order, epoch * all.length, all.length);
      assert.deepEqual(seen.toSorted(), all.toSorted());
    },
  ));
});

Deno.test("MixedOrder keeps the shares in every stretch", () => {
  const order = new MixedOrder([40, 7], [0.7, 0.3], 5);
  assert.equal(order.windows, 47);
  // In tens: seven of the first and three of the second.
  for (let begin = 0; begin < 1000; begin += 10) {
    const seen = places(order, begin, 10);
    const first = seen.filter((place) => place.startsWith("0 "));
    assert.equal(first.length, 7);
  }
  const beginnings = new Set(
    Array.from(
      { length: 20 },
      (_, i) => places(order, 10 * i, 10).map(([source]) => source).join(""),
    ),
  );
  assert.ok(beginnings.size > 10); // not the same pattern each time
});

Deno.test("MixedOrder reads each source in whole before any part again", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(fc.property(
    weights,
    fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 4, maxLength: 4 }),
    fc.maxSafeNat(),
    (weights, allCounts, seed) => {
      const counts = allCounts.slice(0, weights.length);
      const order = new MixedOrder(counts, weights, seed);
      const length = weights.reduce((a, b) => a + b);
      // As many patterns as it takes for whole epochs of every source.
      const patterns = counts.reduce(lcm);
      const times = counts.map((count) => new Uint32Array(count));
      for (let at = 0; at < length * patterns; at++) {
        const { source, window } = order.at(at);
        times[source][window]++;
      }
      for (const [source, counts] of times.entries()) {
        const each = weights[source] * patterns / counts.length;
        assert.ok(counts.every((count) => count === each), `${counts}`);
      }
    },
  ));
});

Deno.test("MixedOrder depends on seed and position alone", () => {
  const open = (seed: number) => new MixedOrder([30, 10, 5], [5, 3, 2], seed);
  const expected = places(open(1), 0, 400);
  assert.deepEqual(places(open(1), 0, 400), expected);
  const order = open(1);
  for (const at of [399, 7, 200, 0, 201]) {
    assert.deepEqual(places(order, at, 1), [expected[at]]);
  }
  assert.notDeepEqual(places(open(2), 0, 400), expected);
  // The epochs of a source differ, and so do two sources of the same length.
  const one = new MixedOrder([20, 20], [1, 1], 1);
  const windows = (source: number) =>
    places(one, 0, 80).filter((place) => place.startsWith(`${source} `))
      .map((place) => place.slice(2)).join();
  assert.notEqual(windows(0), windows(1));
  assert.notEqual(windows(0).slice(0, 40), windows(0).slice(41));
});

function places(order: WindowOrder, begin: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const { source, window } = order.at(begin + i);
    return `${source} ${window}`;
  });
}

function lcm(a: number, b: number): number {
  const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
  return a / gcd(a, b) * b;
}
