import assert from "node:assert/strict";
import { Heap } from "../../src/tokenizer/heap.ts";
import { fc } from "../_property.ts";

Deno.test("Heap pops in order whatever the order of pushes", () => {
  fc.assert(fc.property(fc.array(fc.integer()), (numbers) => {
    const heap = new Heap<number>((a, b) => a < b);
    for (const n of numbers) heap.push(n);
    const popped = numbers.map(() => heap.pop());
    assert.deepEqual(popped, numbers.toSorted((a, b) => a - b));
    assert.equal(heap.pop(), undefined);
  }));
});

Deno.test("Heap keeps its order when pushes and pops take turns", () => {
  const heap = new Heap<number>((a, b) => a > b);
  for (const n of [3, 9, 4]) heap.push(n);
  assert.equal(heap.pop(), 9);
  for (const n of [7, 1]) heap.push(n);
  assert.deepEqual([heap.pop(), heap.pop(), heap.pop()], [7, 4, 3]);
  heap.push(0);
  assert.deepEqual([heap.pop(), heap.pop(), heap.pop()], [1, 0, undefined]);
});
