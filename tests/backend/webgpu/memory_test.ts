import assert from "node:assert/strict";
import type { Dispatch } from "../../../src/backend/webgpu/dispatch.ts";
import {
  splitByWork,
  SUBMIT_FLOPS,
} from "../../../src/backend/webgpu/loading/load_program.ts";
import { planMemory } from "../../../src/backend/webgpu/loading/memory_plan.ts";
import {
  findFlatUpdates,
  findSumChains,
} from "../../../src/backend/webgpu/lowering/flat_update.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Tensor } from "../../../src/graph/tensor.ts";
import { dispatch, temp, tensor } from "./_dispatches.ts";

const LIMITS = { alignment: 256, maxBufferBytes: 1 << 20 };

function planOf(dispatches: Dispatch[], limits = LIMITS) {
  return planMemory({
    phases: new Map([["p", dispatches]]),
    persistent: new Map(),
  }, limits);
}

Deno.test("planMemory() keeps apart what a dispatch reads and writes", () => {
  const weight = tensor("weight", "persistent");
  const slope = tensor("slope", "persistent");
  const ids = tensor("ids", "input");
  const [a, b, c] = [temp("a"), temp("b"), temp("c")];
  const dispatches = [
    dispatch([weight, ids], [a]),
    dispatch([weight, a], [b]),
    dispatch([a, b], [c]),
    dispatch([c, weight], [slope]),
    dispatch([slope], [weight]),
  ];
  const { places, inputBuffer } = planOf(dispatches);
  for (const { bindings } of dispatches) {
    const buffersOf = (written: boolean) =>
      new Set(
        bindings.filter((one) => one.written === written)
          .map(({ tensor }) => places.get(tensor.memory)!.buffer),
      );
    assert.ok(buffersOf(true).isDisjointFrom(buffersOf(false)));
  }
  assert.equal(places.get(ids.memory)!.buffer, inputBuffer);
});

Deno.test("planMemory() lets temporaries that never meet share memory", () => {
  const [a, b, c, d] = [temp("a"), temp("b"), temp("c"), temp("d")];
  const { places, buffers } = planOf([
    dispatch([], [a]),
    dispatch([a], [b]),
    dispatch([b], [c]),
    dispatch([c], [d]),
  ]);
  assert.deepEqual(places.get(a.memory), places.get(c.memory));
  assert.deepEqual(places.get(b.memory), places.get(d.memory));
  assert.notDeepEqual(places.get(a.memory), places.get(b.memory));
  assert.deepEqual(buffers, [256, 256]);
});

Deno.test("planMemory() keeps what persists, whenever it is used", () => {
  const kept = [1, 2, 3].map((n) => tensor(`k${n}`, "persistent"));
  const ids = [1, 2, 3].map((n) => tensor(`ids${n}`, "input"));
  // One after another, in a chain.
  const { places } = planOf(
    [0, 1, 2].map((at) =>
      dispatch([ids[at], ...kept.slice(at - 1, at)], [kept[at]])
    ),
  );
  const distinct = [...kept, ...ids].map(({ memory }) => {
    const { buffer, offset } = places.get(memory)!;
    return `${buffer}:${offset}`;
  });
  assert.equal(new Set(distinct).size, 6);
});

Deno.test("planMemory() begins another buffer where one is full", () => {
  const all = [1, 2, 3, 4, 5].map((n) =>
    tensor(`t${n}`, "persistent", (1 << 20) / 8)
  ); // half a buffer each
  const { buffers, places } = planOf([dispatch([], all)]);
  assert.ok(buffers.every((size) => size <= LIMITS.maxBufferBytes));
  const ends = all.map(({ memory }) => {
    const { buffer, offset } = places.get(memory)!;
    assert.equal(offset % LIMITS.alignment, 0);
    return `${buffer}:${offset}`;
  });
  assert.equal(new Set(ends).size, all.length);
});

Deno.test("planMemory() fills a buffer that is no multiple of the alignment", () => {
  const limits = { alignment: 256, maxBufferBytes: 1000 };
  const whole = tensor("whole", "persistent", 250);
  const [first, last] = [64, 186].map((n) => tensor(`t${n}`, "persistent", n));
  const { buffers, places } = planOf(
    [dispatch([], [whole]), dispatch([], [first, last])],
    limits,
  );
  assert.deepEqual(buffers, [1000, 1000]);
  assert.deepEqual(places.get(whole.memory), { buffer: 0, offset: 0 });
  assert.deepEqual(places.get(last.memory), { buffer: 1, offset: 256 });
});

Deno.test("splitByWork() cuts where a submission has enough to do", () => {
  const sizes = [0, 0.4, 0.5, 0.3, 0, 2, 0.1];
  const parts = splitByWork(sizes.map((size) => ({
    ...dispatch([], []),
    flops: size * SUBMIT_FLOPS,
  })));
  assert.deepEqual(
    parts.map((part) => part.map(({ flops }) => flops! / SUBMIT_FLOPS)),
    [[0, 0.4, 0.5], [0.3, 0], [2], [0.1]],
  );
  // The last two can run side by side.
  const [a, b, c] = [temp("a"), temp("b"), temp("c")];
  const some = [dispatch([], [a]), dispatch([a], [b]), dispatch([a], [c])];
  const cut = splitByWork(
    some.map((one) => ({ ...one, flops: 0.4 * SUBMIT_FLOPS })),
  );
  assert.deepEqual(cut.map((part) => part.length), [1, 2]);
});

/** Sums of squares of three gradients, and two updates with one decay each. */
function updates(gap: boolean): Graph {
  const g = new Graph();
  const sizes = [5, 2000, 7];
  const of = (role: string, i: number) => g.state(`${role}${i}`, [sizes[i]]);
  let sum: Tensor | undefined;
  sizes.forEach((_, i) => {
    sum = g.sumSquares(of("grad", i), { addTo: sum });
    if (gap && i === 1) g.fill([1], 0, { out: g.output("gap", [1]) });
  });
  const { scale } = g.clipScale(sum!, { maxNorm: 1 });
  const hyper = g.input("hyper", [3], "f32");
  sizes.forEach((n, i) =>
    g.adamw({
      param: g.param(`param${i}`, [n]),
      grad: of("grad", i),
      m: of("m", i),
      v: of("v", i),
      scale,
      hyper,
    }, { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: i === 1 ? 0.1 : 0 })
  );
  return g;
}

Deno.test("findFlatUpdates() lays parameters out in blocks", () => {
  const program = plan({ update: updates(false) });
  const [flat, ...rest] = findFlatUpdates(program, { maxBytes: 1 << 20 });
  assert.deepEqual(rest, []);
  assert.deepEqual(flat.starts, [0, 1024, 3072]);
  assert.equal(flat.length, 4096);
});

Deno.test("findFlatUpdates() cuts arrays that cannot be bound", () => {
  const program = plan({ update: updates(false) });
  const flat = findFlatUpdates(program, { maxBytes: 4 * 3072 });
  // The third parameter is alone, and so stays as it is.
  assert.deepEqual(flat.map(({ calls }) => calls.length), [2]);
});

Deno.test("findSumChains() joins neighbours whose sums nobody else reads", () => {
  const chainsOf = (gap: boolean) => {
    const { update } = plan({ update: updates(gap) }).phases;
    return [...findSumChains(update).values()].map((chain) => chain.length);
  };
  assert.deepEqual(chainsOf(false), [3]);
  assert.deepEqual(chainsOf(true), [2]);
});
