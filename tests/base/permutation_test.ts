import assert from "node:assert/strict";
import {
  Permutation,
  type PermutationKey,
} from "../../src/base/permutation.ts";
import { STREAM } from "../../src/base/philox.ts";
import { fc } from "../_property.ts";

const key = { seed: 7, stream: STREAM.shuffle, index: 3 };
const anyKey: fc.Arbitrary<PermutationKey> = fc.record({
  seed: fc.maxSafeNat(),
  stream: fc.constantFrom(...Object.values(STREAM)),
  index: fc.nat(2 ** 31),
  lane: fc.nat(1000),
});

Deno.test("Permutation has every number once", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 700 }), anyKey, (n, key) => {
    const sorted = order(n, key).sort((a, b) => a - b);
    assert.deepEqual(sorted, Array.from({ length: n }, (_, i) => i));
  }));
});

Deno.test("Permutation differs by seed, stream, index and lane", () => {
  const orders = [
    key,
    { ...key, seed: 8 },
    { ...key, seed: 7 + 2 ** 40 },
    { ...key, stream: STREAM.split },
    { ...key, index: 4 },
    { ...key, lane: 1 },
  ].map((key) => order(100, key).join());
  assert.equal(new Set(orders).size, orders.length);
  assert.equal(order(100, key).join(), orders[0]);
});

Deno.test("Permutation gives all orders of few numbers equally often", () => {
  for (const [n, orders] of [[1, 1], [2, 2], [3, 6], [4, 24], [5, 120]]) {
    const seen = new Map<string, number>(), draws = 200 * orders;
    for (let index = 0; index < draws; index++) {
      const one = order(n, { ...key, index }).join();
      seen.set(one, (seen.get(one) ?? 0) + 1);
    }
    assert.equal(seen.size, orders);
    // Chi squared with orders - 1 degrees of freedom: mean orders - 1,
    // variance twice that; 5 standard deviations.
    const chi = seen.values().reduce((sum, k) => sum + (k - 200) ** 2 / 200, 0);
    const most = orders - 1 + 5 * Math.sqrt(2 * (orders - 1));
    assert.ok(chi <= most, `${n}: ${chi} > ${most}`);
  }
});

Deno.test("Permutation sends each place everywhere, neighbors apart", () => {
  const n = 10, draws = 5000;
  const counts = new Float64Array(n * n);
  let neighbors = 0;
  for (let index = 0; index < draws; index++) {
    const one = order(n, { ...key, index });
    one.forEach((number, at) => counts[at * n + number]++);
    for (let i = 1; i < n; i++) if (one[i] === one[i - 1] + 1) neighbors++;
  }
  const mean = draws / n;
  const chi = counts.reduce((sum, k) => sum + (k - mean) ** 2 / mean, 0);
  const degrees = (n - 1) ** 2;
  assert.ok(chi < degrees + 5 * Math.sqrt(2 * degrees), `${chi}`);
  // Of n - 1 neighbors one in n counts up: 0.9 per order, about Poisson.
  const expected = draws * (n - 1) / n;
  assert.ok(Math.abs(neighbors - expected) < 5 * Math.sqrt(expected));
});

Deno.test("Permutation knows 2^50 numbers, and no others", () => {
  const huge = new Permutation(2 ** 50, key);
  const some = Array.from({ length: 100 }, (_, i) => huge.at(i));
  assert.equal(new Set(some).size, 100);
  assert.ok(some.every((one) => Number.isSafeInteger(one) && one < 2 ** 50));
  assert.ok(some.some((one) => one > 2 ** 49));
  for (const at of [-1, 2 ** 50, NaN]) {
    assert.throws(() => huge.at(at), RangeError);
  }
});

function order(n: number, key: PermutationKey): number[] {
  const permutation = new Permutation(n, key);
  return Array.from({ length: n }, (_, i) => permutation.at(i));
}
