import assert from "node:assert/strict";
import type { Dispatch, Memory } from "../../../src/backend/webgpu/dispatch.ts";
import {
  splitByWork,
  SUBMIT_FLOPS,
} from "../../../src/backend/webgpu/loading/load_program.ts";
import { planMemory } from "../../../src/backend/webgpu/loading/memory_plan.ts";
import {
  findFlatUpdates,
  findSumChains,
} from "../../../src/backend/webgpu/lowering/flat_update.ts";
import { sideBySide } from "../../../src/backend/webgpu/lowering/schedule.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Tensor } from "../../../src/graph/tensor.ts";
import { draws, fc } from "../../_property.ts";
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

Deno.test("planMemory() lets phases take turns", () => {
  const [a, b] = ["p", "q"].map((phase) => tensor("t", { phase }));
  const { places, buffers } = planMemory({
    phases: new Map([["p", [dispatch([], [a])]], ["q", [dispatch([], [b])]]]),
    persistent: new Map(),
  }, LIMITS);
  assert.deepEqual(places.get(a.memory), places.get(b.memory));
  assert.deepEqual(buffers, [256]);
});

Deno.test("planMemory() lets nothing overlap that is needed at one time", () => {
  const LIFETIMES = ["input", "persistent", { phase: "p" }] as const;
  const pieces = fc.array(
    fc.record({
      lifetime: fc.constantFrom(...LIFETIMES),
      length: fc.integer({ min: 1, max: 300 }), // seldom aligned
    }),
    { minLength: 2, maxLength: 8 },
  );
  const some = fc.array(fc.nat(7), { maxLength: 3 });
  const uses = fc.array(fc.record({ reads: some, writes: some }), {
    minLength: 1,
    maxLength: 10,
  });
  fc.assert(
    fc.property(pieces, uses, (pieces, uses) => {
      const tensors = pieces.map(({ lifetime, length }, i) =>
        tensor(`t${i}`, lifetime, length)
      );
      const isInput = (one: Dispatch["bindings"][number]["tensor"]) =>
        one.memory.lifetime === "input"; // the host alone writes those
      const of = (list: readonly number[]) => [
        ...new Set(list.map((i) => tensors[i % tensors.length])),
      ];
      const dispatches = uses.map(({ reads, writes }) => {
        const written = of(writes).filter((one) => !isInput(one));
        return dispatch(
          of(reads).filter((one) => !written.includes(one)),
          written,
        );
      });
      const limits = { alignment: 256, maxBufferBytes: 2500 };
      const { places, buffers } = planOf(dispatches, limits);

      // 1. Each is aligned, and lies within its buffer.
      assert.ok(buffers.every((size) => size <= limits.maxBufferBytes));
      for (const [{ sizeBytes }, { buffer, offset }] of places) {
        assert.equal(offset % limits.alignment, 0);
        assert.ok(offset + sizeBytes <= buffers[buffer]);
      }
      // 2. What is needed at one time shares no byte.
      const groups = sideBySide(dispatches);
      const needed = (memory: Memory) => {
        if (typeof memory.lifetime !== "object") return [0, groups.length];
        const at = (group: readonly Dispatch[]) =>
          group.some(({ bindings }) =>
            bindings.some(({ tensor }) => tensor.memory === memory)
          );
        return [groups.findIndex(at), groups.findLastIndex(at)];
      };
      const all = [...places].map(([memory, place]) => ({
        ...place,
        ...{ name: memory.name, sizeBytes: memory.sizeBytes },
        needed: needed(memory),
      }));
      for (const a of all) {
        for (const b of all) {
          if (a === b || a.buffer !== b.buffer) continue;
          const isApart = a.offset + a.sizeBytes <= b.offset ||
            b.offset + b.sizeBytes <= a.offset;
          const isLater = a.needed[1] < b.needed[0] ||
            b.needed[1] < a.needed[0];
          assert.ok(isApart || isLater, `${a.name} and ${b.name}`);
        }
      }
      // 3. A buffer that a dispatch writes is not read there, nor used by one
      //    that can run beside it.
      const buffersOf = ({ bindings }: Dispatch, which: boolean[]) =>
        new Set(
          bindings.filter(({ written }) => which.includes(written))
            .map(({ tensor }) => places.get(tensor.memory)!.buffer),
        );
      for (const group of groups) {
        for (const one of group) {
          for (const other of group) {
            const used = other === one ? [false] : [false, true];
            const written = buffersOf(one, [true]);
            assert.ok(written.isDisjointFrom(buffersOf(other, used)));
          }
        }
      }
    }),
    { numRuns: draws(300) },
  );
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
