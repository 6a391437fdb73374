import assert from "node:assert/strict";
import type { TensorData } from "../../../src/backend/backend.ts";
import type {
  Dispatch,
  GpuTensor,
} from "../../../src/backend/webgpu/dispatch.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import {
  type MemoryPlan,
  placeOf,
  planMemory,
} from "../../../src/backend/webgpu/loading/memory_plan.ts";
import {
  countBarriers,
  cutPasses,
} from "../../../src/backend/webgpu/loading/passes.ts";
import {
  schedule,
  sideBySide,
} from "../../../src/backend/webgpu/lowering/schedule.ts";
import { PhiloxStream } from "../../../src/base/philox.ts";
import type { Program } from "../../../src/graph/program.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { openTrialStep } from "../../../src/train/trial_step.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { dispatch, part, temp, tensor } from "./_dispatches.ts";
import { noAdapter as ignore, openTestGpu } from "./_webgpu.ts";

const LIMITS = { alignment: 256, maxBufferBytes: 1 << 13 };

function planOf(dispatches: readonly Dispatch[]): MemoryPlan {
  return planMemory({
    phases: new Map([["p", dispatches]]),
    persistent: new Map(),
  }, LIMITS);
}

const labels = (dispatches: readonly Dispatch[]) =>
  dispatches.map(({ label }) => label).join(" ");
const groups = (dispatches: readonly Dispatch[]) =>
  sideBySide(dispatches).map(labels);

/** Gradients of two products, one behind the other, as a program has them. */
function backward(): Dispatch[] {
  const W = tensor("W", "persistent", 128);
  const d = tensor("d", "persistent", 128);
  const half = (of: GpuTensor, at: number) =>
    part(of, { from: 64 * at, length: 64 });
  const [x, y, dz, dy, dx] = ["x", "y", "dz", "dy", "dx"].map((n) => temp(n));
  const [p, q] = [temp("p"), temp("q")];
  return [
    dispatch([], [x], "x"),
    dispatch([x], [y], "y"),
    dispatch([y], [dz], "dz"),
    dispatch([dz, y], [p], "parts2"),
    dispatch([p], [half(d, 1)], "dW2"),
    dispatch([dz, half(W, 1)], [dy], "dy"),
    dispatch([dy, x], [q], "parts1"),
    dispatch([q], [half(d, 0)], "dW1"),
    dispatch([dy, half(W, 0)], [dx], "dx"),
  ];
}

Deno.test("schedule() puts what is independent side by side", () => {
  assert.deepEqual(groups(backward()), [
    ...["x", "y", "dz", "parts2", "dW2 dy", "parts1", "dW1 dx"],
  ]);
  assert.deepEqual(groups(schedule(backward())), [
    ...["x", "y", "dz", "parts2 dy", "parts1 dx dW2", "dW1"],
  ]);
});

Deno.test("schedule() keeps apart who write to one piece of memory", () => {
  const d = tensor("d", "persistent", 128);
  const dispatches = [0, 1].map((at) =>
    dispatch([], [part(d, { from: 64 * at, length: 64 })], `d${at}`)
  );
  const other = dispatch([], [temp("t")], "t");
  assert.deepEqual(groups(schedule([...dispatches, other])), ["d0 t", "d1"]);
});

Deno.test("schedule() begins with the longest workgroups", () => {
  const sizes = [[64, 8], [64, 2], [4096, 8], [64, 4]]; // numbers, groups
  const dispatches = sizes.map(([length, count], i): Dispatch => ({
    ...dispatch([], [temp(`t${i}`, length)], `${i}`),
    workgroups: [count, 1, 1],
  }));
  const product: Dispatch = {
    ...dispatch([], [temp("t4")], "product"),
    ...{ workgroups: [2, 2, 1], flops: 8 * 4 * 2049 * 4 },
  };
  assert.equal(labels(schedule([...dispatches, product])), "product 2 1 3 0");
});

Deno.test("schedule() takes nothing far from where it was", () => {
  const chain = Array.from({ length: 40 }, (_, i) => temp(`t${i}`));
  const dispatches = chain.map((one, i) =>
    dispatch(i > 0 ? [chain[i - 1]] : [], [one], `${i}`)
  );
  const alone = dispatch([], [temp("alone")], "alone");
  const order = schedule([...dispatches, alone]).map(({ label }) => label);
  assert.equal(order.indexOf("alone"), 25);
});

Deno.test("cutPasses() takes one barrier for all in a pass", () => {
  const asWritten = backward();
  assert.equal(countBarriers([asWritten], planOf(asWritten)), 9);
  const dispatches = schedule(asWritten);
  const plan = planOf(dispatches);
  const passes = cutPasses(dispatches, plan);
  assert.equal(countBarriers(passes, plan), 6);
  assert.deepEqual(passes.flat(), dispatches);
});

Deno.test("countBarriers() follows the uses of whole buffers", () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => tensor(name, "persistent"));
  const places = new Map([a, b, c].map(({ memory }, i) => [memory, {
    buffer: i,
    offset: 0,
  }]));
  const plan = { buffers: [256, 256, 256], places, inputBuffer: null };
  const count = (...passes: Dispatch[][]) => countBarriers(passes, plan);
  assert.equal(count([dispatch([a], [b]), dispatch([a], [c])]), 1);
  assert.equal(count([dispatch([a], [b]), dispatch([a], [b])]), 2);
  assert.equal(count([dispatch([a], [b]), dispatch([b], [c])]), 2);
  assert.equal(count([dispatch([b], [a]), dispatch([c], [b])]), 2);
  // `c` reads what the second has already waited for.
  const reads = [dispatch([], [a]), dispatch([a], [b]), dispatch([a], [c])];
  assert.equal(count(reads), 2);
  assert.equal(count([dispatch([a], [b])], [dispatch([a], [b])]), 2);
});

/** Some dispatches over some memory, parts of it and in place, from a seed. */
function randomProgram(seed: number): Dispatch[] {
  const random = new PhiloxStream(seed, 0);
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  const kept = ["k0", "k1"].map((name) => tensor(name, "persistent", 192));
  const input = tensor("input", "input");
  const temps: GpuTensor[] = [];
  const fresh = () => {
    temps.push(temp(`t${temps.length}`, 64 * (1 + random.below(4))));
    return temps.at(-1)!;
  };
  const length = 12 + random.below(40);
  const dispatches = Array.from({ length }, (_, at) => {
    const some = (): GpuTensor => {
      const one = random.below(3) > 0 && temps.length > 0
        ? pick(temps.slice(-6))
        : pick([...kept, input]);
      const from = 64 * random.below(one.length / 64);
      return random.below(2) > 0 ? one : part(one, { from, length: 64 });
    };
    const reads = Array.from({ length: random.below(4) }, some);
    const into = [fresh, fresh, () => pick(kept), some][random.below(4)]();
    const writes = into.memory === input.memory ? [fresh()] : [into];
    const apart = ({ memory }: GpuTensor) =>
      writes.every((one) => one.memory !== memory);
    return dispatch(reads.filter(apart), writes, `${at}`);
  });
  return [...dispatches, dispatch(kept, [], `${length}`)];
}

/**
 * Runs dispatches over memory where `locate` has it: every number written is
 * one of the dispatch and of all that it reads. Gives what each has read.
 */
function simulate(
  dispatches: readonly Dispatch[],
  locate: (tensor: GpuTensor) => { buffer: number | string; offset: number },
): Map<string, string> {
  const cells = new Map<string, number>();
  const seen = new Map<string, string>();
  const written = new Set<string>();
  const addresses = (tensor: GpuTensor) => {
    const { buffer, offset } = locate(tensor);
    return Array.from(
      { length: tensor.length / 64 },
      (_, i) => `${buffer}:${offset + 256 * i}`,
    );
  };
  const own = ({ memory, offset }: GpuTensor, i: number) =>
    `${memory.name}:${offset + 256 * i}`;
  for (const { bindings, label } of dispatches) {
    const values: number[] = [];
    for (const { tensor } of bindings) {
      const isKept = typeof tensor.memory.lifetime !== "object";
      addresses(tensor).forEach((address, i) => {
        // What nobody has written is no number that counts.
        const counts = isKept || written.has(own(tensor, i));
        values.push(counts ? cells.get(address) ?? 0 : -1);
      });
    }
    seen.set(label, values.join());
    let hash = Number(label) + 1;
    for (const value of values) hash = (hash * 31 + value) % 1_000_003;
    for (const { tensor, written: isWritten } of bindings) {
      if (!isWritten) continue;
      addresses(tensor).forEach((address, i) => {
        cells.set(address, hash + i);
        written.add(own(tensor, i));
      });
    }
  }
  return seen;
}

const SEEDS = Array.from({ length: 300 }, (_, seed) => seed);

Deno.test("a schedule and its memory let every dispatch read the same", () => {
  let moved = 0, cut = 0;
  for (const seed of SEEDS) {
    const dispatches = randomProgram(seed);
    const order = schedule(dispatches);
    const plan = planOf(order);
    const want = simulate(dispatches, ({ memory, offset }) => ({
      buffer: memory.name,
      offset,
    }));
    const got = simulate(order, (tensor) => placeOf(plan, tensor));
    assert.deepEqual(
      new Map([...got].toSorted(([a], [b]) => Number(a) - Number(b))),
      want,
      `seed ${seed}`,
    );
    if (labels(order) !== labels(dispatches)) moved++;
    if (sideBySide(order).length < sideBySide(dispatches).length) cut++;
  }
  assert.ok(moved > SEEDS.length / 2 && cut > SEEDS.length / 2);
});

Deno.test("what stands side by side shares nothing that one writes", () => {
  for (const seed of SEEDS) {
    const order = schedule(randomProgram(seed));
    const plan = planOf(order);
    for (const group of sideBySide(order)) {
      assert.equal(countBarriers(cutPasses(group, plan), plan), 1);
    }
  }
});

Deno.test("cutPasses() finds the fewest barriers there are", () => {
  for (const seed of SEEDS.slice(0, 40)) {
    const dispatches = randomProgram(seed).slice(0, 9);
    const plan = planOf(dispatches);
    let fewest = Infinity;
    for (let cuts = 0; cuts < 1 << (dispatches.length - 1); cuts++) {
      const passes: Dispatch[][] = [[]];
      dispatches.forEach((one, at) => {
        if (at > 0 && cuts >> (at - 1) & 1) passes.push([]);
        passes.at(-1)!.push(one);
      });
      fewest = Math.min(fewest, countBarriers(passes, plan));
    }
    assert.equal(countBarriers(cutPasses(dispatches, plan), plan), fewest);
  }
});

Deno.test("webgpu: training makes the same numbers in any order", {
  ignore,
}, async () => {
  const gpu = await openTestGpu();
  const config = tinyConfig({
    model: { nLayer: 1, nEmbd: 32, nHead: 2, dropout: 0.1 },
  });
  const model = resolveModel(config.model, 65);
  const all: Record<string, TensorData>[] = [];
  for (const overlap of [false, true]) {
    const compile = (program: Program) =>
      gpu.compile(program, {
        overlap,
        gemmVariant: () => parseVariant("32x32x4 4x4 direct row / 2"),
      });
    const { device, dispose } = gpu;
    const backend = { device, dispose, compile };
    const step = await openTrialStep(backend, { model, config });
    await step.run();
    const names = [...step.program.persistent.keys()];
    const data = await step.executable.readAll(names);
    all.push(Object.fromEntries(names.map((name, i) => [name, data[i]])));
    await step.executable.dispose();
  }
  await gpu.dispose();
  const [apart, beside] = all;
  assert.ok(apart.loss[0] > 0);
  assert.deepEqual(beside, apart);
});
