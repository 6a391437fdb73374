import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import {
  chooseGemm,
  formatGemm,
  gemmCandidates,
  parseGemm,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { timeGemm } from "../../../src/backend/webgpu/tuning/time_kernels.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { assertOpClose, type OpCase, runOpCase } from "../_op_cases.ts";
import { normal, opCase } from "../_op_inputs.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

const NVIDIA = { isSoftware: false, vendor: "nvidia" } as const;

Deno.test("chooseGemm() splits k only where tiles are few and k is long", () => {
  const choose = (M: number, N: number, K: number) =>
    chooseGemm({ M, N, K, transA: false, transB: false }, NVIDIA);
  assert.equal(choose(4096, 4096, 4096).splitK, 1);
  assert.equal(choose(128, 128, 128).splitK, 1);
  // Two of 132 cores' workgroups each, for 3 * 6 tiles.
  assert.equal(choose(384, 384, 16384).splitK, 14);
  assert.equal(choose(64, 64, 1 << 20).splitK, 32);
});

Deno.test("chooseGemm() gives large tiles where there are many", () => {
  const choose = (M: number, N: number, vendor: "nvidia" | "apple") => {
    const shape = { M, N, K: 768, transA: false, transB: false };
    return formatGemm(chooseGemm(shape, { isSoftware: false, vendor }));
  };
  assert.equal(choose(4096, 4096, "nvidia"), "128x64x16 8x8 ahead block");
  // 64 rows have no use for 128; else two small workgroups fill a core as one.
  assert.equal(choose(64, 768, "nvidia"), "64x64x16 8x8 ahead block");
  assert.equal(choose(512, 768, "nvidia"), "128x64x16 8x8 ahead block");
  assert.equal(choose(4096, 4096, "apple"), "64x64x16 4x4 staged row");
  assert.equal(choose(4096, 32, "nvidia"), "32x32x16 4x4 staged row");
});

Deno.test("gemmCandidates() heeds the limits of the device", () => {
  const fits = gemmCandidates({
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 8192,
  });
  assert.deepEqual(fits.map(formatGemm), [
    "32x32x4 4x4 direct row",
    "64x64x4 8x8 direct row",
    "32x32x16 4x4 staged row",
    "32x32x16 4x4 ahead row",
  ]);
});

Deno.test("parseGemm() refuses what formatGemm() never writes", () => {
  assert.throws(() => parseGemm("64x64x16 8x8 backwards row"), TypeError);
  for (const tile of gemmCandidates()) {
    assert.deepEqual(parseGemm(formatGemm(tile)), tile);
  }
});

// Every variant that a GPU may be given, also on the software adapter, which
// is given others by itself; large ones, which it takes seconds to compile, with
// less depth.
for (const [i, candidate] of gemmCandidates().entries()) {
  const { threadM, threadN } = candidate;
  const tileK = threadM * threadN > 16 ? 4 : candidate.tileK;
  const variant = { ...candidate, tileK, splitK: i % 7 === 2 ? 3 : 1 };
  const name = `webgpu multiplies by ${formatGemm(variant)}` +
    (variant.splitK > 1 ? `, k in ${variant.splitK} parts` : "");
  Deno.test(name, { ignore: noAdapter }, async () => {
    const gpu = await openTestGpu({ gemmVariant: () => variant });
    await expectProduct(gpu, products()[i % 3]);
    await gpu.dispose();
  });
}

// Every path of the generator, in tiles that are quickly compiled.
for (
  const tile of [
    "32x64x8 4x8 staged row",
    "64x32x8 8x4 ahead block",
  ]
) {
  Deno.test(`webgpu multiplies all layouts by ${tile}`, {
    ignore: noAdapter,
  }, async () => {
    const variant = { ...parseGemm(tile), splitK: 1 };
    const gpu = await openTestGpu({ gemmVariant: () => variant });
    for (const one of products()) await expectProduct(gpu, one);
    await gpu.dispose();
  });
}

Deno.test("webgpu multiplies a row by a million columns", {
  ignore: noAdapter,
}, async () => {
  // 16 to a workgroup: more than the 65,535 that fit in a row.
  const N = 65_535 * 16 + 21;
  const gpu = await openTestGpu();
  const g = new Graph();
  const a = g.state("a", [1, 1]), b = g.state("b", [N, 1]);
  g.matmul(a, b, { transB: true, out: g.state("out", [1, N]) });
  const executable = await gpu.compile(plan({ g }));
  executable.write("a", Float32Array.of(3));
  executable.write("b", Float32Array.from({ length: N }, (_, n) => n));
  await executable.run("g");
  const out = await executable.read("out");
  assert.ok(out.every((value, n) => value === 3 * n));
  await gpu.dispose();
});

Deno.test("timeGemm() times every variant in every round", {
  ignore: noAdapter,
}, async () => {
  const gpu = await openTestGpu();
  const variants = ["32x32x4 4x4 direct row", "32x32x4 4x4 staged row"]
    .map((tile) => ({ ...parseGemm(tile), splitK: 1 }));
  const shape = { M: 64, N: 32, K: 48, transA: true, transB: false };
  const times = await timeGemm(gpu, shape, { variants, rounds: 2, roundMs: 0 });
  assert.deepEqual(times.map((all) => all.length), [2, 2]);
  assert.ok(times.flat().every((ms) => ms > 0 && ms < 1e4));
  await gpu.dispose();
});

async function expectProduct(gpu: Backend, one: OpCase): Promise<void> {
  const want = await runOpCase(openReferenceBackend(), one);
  assertOpClose(one, await runOpCase(gpu, one), want);
}

/** Whole tiles, and sizes that are no multiple of a tile or of 4. */
function products(): OpCase[] {
  const sizes = [[128, 128, 64], [72, 132, 100], [37, 65, 50]];
  const layouts = [[0, 0], [0, 1], [1, 0]] as const; // as a training step has
  return sizes.flatMap(([M, N, K], i) => {
    const [transA, transB] = layouts[i];
    return opCase("matmul", `M=${M} N=${N} K=${K}`, {
      in: {
        a: normal(1, transA ? [K, M] : [M, K]),
        b: normal(2, transB ? [N, K] : [K, N]),
        bias: normal(3, [N]),
        addTo: normal(4, [M, N]),
      },
      out: { out: [M, N] },
      attrs: { M, N, K, transA, transB },
      tolerance: 2e-5,
      reason: "f32 sums of a hundred terms of size 1, in any order",
    });
  });
}
