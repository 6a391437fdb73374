/**
 * Ids, targets, positions and slots that are beyond their tensors: a kernel
 * takes something else, and reads and writes nothing that is not its own.
 * Executors that check each number themselves stop instead, as
 * cpu/backend_test.ts shows.
 */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { parseGemm } from "../../src/backend/webgpu/choice/gemm_choice.ts";
import { openWebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import { IGNORED_TARGET } from "../../src/graph/ops.ts";
import { plan } from "../../src/graph/plan.ts";
import { f32, normal, opCase, u32 } from "./_op_inputs.ts";
import {
  assertOpClose,
  type OpCase,
  type OpCaseOf,
  runOpCase,
} from "./_run_op_case.ts";
import { openSpirvMachine } from "./spirv/_backend.ts";
import { noVulkan, testVulkan } from "./vulkan/_vulkan.ts";
import { LEAST } from "./webgpu/_lowered.ts";
import { noAdapter, openTestGpu } from "./webgpu/_webgpu.ts";

const MOST = 0xffffffff;
const EXACT = { tolerance: 0, reason: "rows as they are" };
const SUMS = { tolerance: 1e-5, reason: "short sums and one exponential" };

/** A case with wrong numbers, and one with those that it is computed with. */
interface Wrong {
  readonly given: OpCase;
  readonly taken: OpCase;
}

const cases: readonly Wrong[] = [
  ...[3, 4].map((C) => {
    const lookUp = (...ids: number[]) =>
      opCase("embedding", `of wrong ids, C=${C}`, {
        in: { table: normal(1, [5, C]), ids: u32(...ids) },
        out: { out: [ids.length, C] },
        attrs: { rows: ids.length, V: 5, C },
        ...EXACT,
      });
    return {
      given: lookUp(2, 5, MOST, 0x80000000, 0),
      taken: lookUp(2, 4, 4, 4, 0),
    };
  }),
  // Within a chunk of rows and across them: those of wrong ids add nothing.
  ...[3, 300].map((rows) => {
    const gradient = (isWrong: boolean) => {
      const dOut = normal(1, [rows, 4]);
      const ids = Uint32Array.from({ length: rows }, (_, r) => r % 5);
      for (let r = 1; r < rows; r += 3) {
        ids[r] = isWrong ? [5, MOST][r % 2] : 0;
        if (!isWrong) dOut.data.fill(0, 4 * r, 4 * r + 4);
      }
      return opCase("embeddingBackward", `of wrong ids, ${rows} rows`, {
        in: { dOut, ids: { shape: [rows], data: ids } },
        out: { out: [5, 4] },
        attrs: { rows, V: 5, C: 4 },
        ...SUMS,
      });
    };
    return { given: gradient(true), taken: gradient(false) };
  }),
  ...[5, 8].map((V) => {
    const loss = (...targets: number[]) =>
      opCase("crossEntropy", `of wrong targets, V=${V}`, {
        in: { logits: normal(1, [4, V]), targets: u32(...targets) },
        out: { rowLoss: [4], lse: [4] },
        attrs: { rows: 4, V },
        ...SUMS,
      });
    return {
      given: loss(V, MOST - 1, IGNORED_TARGET, 1),
      taken: loss(V - 1, V - 1, IGNORED_TARGET, 1),
    };
  }),
  ...[8, 20].map((S) => {
    const attend = (position: number) =>
      opCase("attentionCached", `at a wrong position of ${S}`, {
        in: {
          qkv: normal(1, [1, 12]),
          kCache: normal(2, [S, 4]),
          vCache: normal(3, [S, 4]),
          position: u32(position),
        },
        out: { out: [1, 4], kCache: [S, 4], vCache: [S, 4] },
        attrs: { T: 1, S, H: 1, Hkv: 1, D: 4 },
        ...SUMS,
      });
    return { given: attend(MOST), taken: attend(S - 1) };
  }),
  // More than are drawn from as a list.
  ...[50, 1100].map((V) => {
    const draw = (slot: number, n: number) =>
      opCase("sample", `into a wrong slot, V=${V}`, {
        in: {
          logits: normal(1, [1, V]),
          settings: f32([3], 0.8, 1, 1),
          choice: u32(1, 2, 3, slot, 0, n),
          used: u32(...Array(Math.ceil(V / 32)).fill(0)),
          drawn: u32(9, 9),
        },
        out: { id: [1], drawn: [2], used: [Math.ceil(V / 32)] },
        attrs: { V, rows: 2 },
        ...EXACT,
      });
    return { given: draw(MOST, MOST), taken: draw(1, V) };
  }),
];

/**
 * Prompts behind the end: what comes out is of no use, but made of numbers, and
 * the cache is as it was.
 */
const lost = [8, 9, MOST].map((position) =>
  opCase("attentionCached", `of a prompt at ${position} of 8`, {
    in: {
      qkv: normal(1, [3, 12]),
      kCache: normal(2, [8, 4]),
      vCache: normal(3, [8, 4]),
      position: u32(position),
    },
    out: { out: [3, 4], kCache: [8, 4], vCache: [8, 4] },
    attrs: { T: 3, S: 8, H: 1, Hkv: 1, D: 4 },
    ...SUMS,
  }) as OpCaseOf<"attentionCached">
);

/** Two tables at once, as of ids and positions. */
async function lookUpTwo(backend: Backend): Promise<void> {
  const g = new Graph();
  const addTo = g.embedding(g.param("wte", [3, 2]), g.input("ids", [2], "u32"));
  const at = g.input("at", [2], "u32");
  const out = g.state("out", [2, 2]);
  g.embedding(g.param("wpe", [2, 2]), at, { addTo, out });
  const executable = await backend.compile(plan({ lookUp: g }));
  executable.write("wte", Float32Array.of(1, 2, 3, 4, 5, 6));
  executable.write("wpe", Float32Array.of(10, 20, 30, 40));
  executable.write("ids", Uint32Array.of(MOST, 0));
  executable.write("at", Uint32Array.of(0, 2));
  await executable.run("lookUp");
  const found = await executable.read("out");
  assert.deepEqual(found, Float32Array.of(5 + 10, 6 + 20, 1 + 30, 2 + 40));
  await executable.dispose();
}

async function expectHeld(backend: Backend): Promise<void> {
  const reference = openReferenceBackend();
  for (const { given, taken } of cases) {
    const want = await runOpCase(reference, taken);
    assertOpClose(given, await runOpCase(backend, given), want);
  }
  for (const one of lost) {
    const { out, kCache, vCache } = await runOpCase(backend, one);
    assert.ok(out.every(Number.isFinite), one.name);
    assert.deepEqual(kCache, one.in.kCache.data, one.name);
    assert.deepEqual(vCache, one.in.vCache.data, one.name);
  }
  await lookUpTwo(backend);
}

Deno.test("no kernel leaves its tensors by a wrong index", async () => {
  await expectHeld(openSpirvMachine({
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    gemmVariant: () => ({ ...parseGemm("32x32x16 4x4 staged row"), splitK: 1 }),
    attention: () => ({ flow: "direct" }),
    precision: "fp32",
    fuse: true,
  }));
});

Deno.test({
  name: "webgpu: wrong indices are held to their tensors",
  ignore: noAdapter,
  async fn() {
    const gpu = await openTestGpu();
    await expectHeld(gpu);
    await gpu.dispose();
  },
});

Deno.test({
  name: "vulkan: wrong indices are held to their tensors",
  ignore: noVulkan,
  async fn() {
    const gpu = await openWebGpuBackend(testVulkan);
    await expectHeld(gpu);
    await gpu.dispose();
  },
});
