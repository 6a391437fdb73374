import assert from "node:assert/strict";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import {
  type KernelChoice,
  loadKernels,
} from "../../../src/backend/cpu/kernels.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { sizeOf, type Tensor } from "../../../src/graph/tensor.ts";
import { opCases } from "../_op_cases.ts";
import type { OpCase, OpInput } from "../_run_op_case.ts";
import { bestBuild, cpuBuilds } from "./_builds.ts";

/** Products too large for one slice of packed B, in both directions. */
const SLICES: OpCase[] = ([0, 1] as const).map((transA) => {
  const [M, N, K] = [5, 5_500, 800];
  const hashed = (length: number, seed: number) =>
    Float32Array.from(
      { length },
      (_, i) => Math.imul(i + seed, 40503) % 97 / 97,
    );
  return {
    name: `matmul in slices${transA ? ", A transposed" : ""}`,
    op: "matmul",
    in: {
      a: { shape: transA ? [K, M] : [M, K], data: hashed(M * K, 1) },
      b: { shape: [N, K], data: hashed(N * K, 2) },
    },
    out: { out: [M, N] },
    attrs: { M, N, K, transA, transB: 1 },
    tolerance: 0,
    reason: "the same order",
  };
});

/**
 * Runs cases one behind another, each twice. All that it read is halved in
 * between and becomes 0 at the end: a thread that lets its way depend on what
 * is there, and comes too late, goes another way than the others.
 */
function inARow(cases: readonly OpCase[]) {
  const g = new Graph();
  const inputs = new Map<string, OpInput["data"]>();
  const outputs: string[] = [];
  cases.forEach((opCase, index) => {
    const given: Record<string, Tensor> = {};
    for (const [key, { shape, data }] of Object.entries<OpInput>(opCase.in)) {
      const name = `${index} ${opCase.name}: ${key}`;
      inputs.set(name, data);
      given[key] = data instanceof Uint32Array
        ? g.input(name, shape, "u32")
        : g.state(name, shape);
      if (key in opCase.out) outputs.push(name);
    }
    for (const [time, factor] of [["first", 0.5], ["second", 0]] as const) {
      const out = Object.entries<readonly number[]>(opCase.out).map(
        ([key, shape]): [string, Tensor] => {
          if (key in opCase.in) return [key, given[key]];
          const name = `${index} ${opCase.name}: ${time} ${key}`;
          outputs.push(name);
          const isIds = opCase.op === "sample";
          return [
            key,
            isIds ? g.input(name, shape, "u32") : g.state(name, shape),
          ];
        },
      );
      const { op, attrs } = opCase;
      const call = { in: given, out: Object.fromEntries(out), attrs };
      // The tables of a case have the keys of its op, by the type of OpCase.
      g.record(op, call as Parameters<typeof g.record<typeof op>>[1]);
      for (const x of Object.values(given)) {
        if (x.dtype !== "f32") continue;
        g.record("scale", scaled(x, factor));
      }
    }
  });
  return { program: plan({ g }), inputs, outputs };
}

/** A call of `scale` in place. */
function scaled(x: Tensor, factor: number) {
  const n = sizeOf(x.shape);
  return { in: { x }, out: { out: x }, attrs: { n, factor } };
}

/** Threads that disagree about a stage wait for good: better to say so. */
async function inTime(run: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error("The threads wait for each other for good")),
    300_000, // however slow this machine is
  );
  await Promise.race([run, late.promise]).finally(() => clearTimeout(timer));
}

/** Bits of all results of cases run in a row. */
async function bitsOf(
  cases: readonly OpCase[],
  options: KernelChoice & { threads: number; pauses?: number },
): Promise<Map<string, Uint32Array>> {
  const backend = await openCpuBackend(options);
  const { program, inputs, outputs } = inARow(cases);
  const executable = await backend.compile(program);
  for (const [name, data] of inputs) executable.write(name, data);
  await inTime(executable.run("g"));
  const bits = new Map<string, Uint32Array>();
  for (const name of outputs) {
    const { buffer } = await executable.read(name);
    bits.set(name, new Uint32Array(buffer));
  }
  await backend.dispose();
  return bits;
}

const products = opCases.filter(({ op }) => op === "matmul");
const builds: [string, KernelChoice, readonly OpCase[]][] = [];
for (const [name, choice] of Object.entries(cpuBuilds)) {
  const all = name === "plain" || name === bestBuild;
  // The others differ from these in their products.
  builds.push([name, choice, all ? [...opCases, ...SLICES] : products]);
}
const { noBf16 } = loadKernels();
if (noBf16 === null) {
  builds.push(["bf16", { precision: "bf16" }, [...products, ...SLICES]]);
}
for (const [index, [build, choice, cases]] of builds.entries()) {
  Deno.test(`late threads change no bit of any op (${build})`, async () => {
    const threads = 2 + index % 3;
    const one = await bitsOf(cases, { threads: 1, ...choice });
    const more = await bitsOf(cases, { threads, pauses: index, ...choice });
    for (const [name, bits] of one) {
      assert.deepEqual(more.get(name), bits, `${threads} threads: ${name}`);
    }
  });
}

Deno.test("no call of a profile ends before it began", async () => {
  const backend = await openCpuBackend({ threads: 3, pauses: 1 });
  const g = new Graph();
  const x = g.state("x", [100]);
  for (let i = 0; i < 30; i++) g.record("scale", scaled(x, 0.5));
  const executable = await backend.compile(plan({ g }));
  const calls = await executable.profile("g", 10);
  assert.equal(calls.length, 30);
  // The clocks of threads differ by some microseconds; pauses take up to 2 ms.
  const wrong = calls.filter(({ ms, waitMs }) => !(ms > -0.1 && waitMs >= 0));
  assert.deepEqual(wrong, []);
  await backend.dispose();
});

Deno.test("a profile counts how long threads wait for one that is paused", async () => {
  const backend = await openCpuBackend({ threads: 2, pauses: 1 });
  const g = new Graph();
  const x = g.state("x", [100]); // a chunk: one thread has it
  for (let i = 0; i < 300; i++) g.record("scale", scaled(x, 0.5));
  const executable = await backend.compile(plan({ g }));
  // Of one run, as the shortest of several is the one without a pause.
  const calls = await executable.profile("g", 1);
  const waitMs = calls.reduce((sum, { waitMs }) => sum + waitMs, 0);
  assert.ok(waitMs > 1, `${waitMs} ms`);
  await backend.dispose();
});
