/**
 * Products on matrix units, against sums of f64 over factors that were rounded
 * before: what is left is the rounding of sums, as without units.
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { formatVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { GemmVariant } from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import { formatUnit } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { recordSite } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { gradients } from "../../../src/graph/gradients.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { IGNORED_TARGET } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import { train } from "../../../src/train/loop.ts";
import type { Snapshot } from "../../../src/train/session.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
} from "../../train/_helpers.ts";
import {
  assertOpClose,
  type OpCase,
  opCases,
  runOpCase,
} from "../_op_cases.ts";
import { normal } from "../_op_inputs.ts";
import { withShaders } from "../webgpu/_faulty_gpu.ts";
import {
  expectNear,
  productSites,
  runSite,
} from "../webgpu/_matrix_products.ts";
import {
  type MatrixDevice,
  onUnit,
  onUnits,
  rounded,
} from "../webgpu/_matrix_units.ts";

/** What a driver might make of a shader. */
const FAULTS: Readonly<Record<string, (code: string) => string>> = {
  "takes columns for rows": (code) =>
    code.replaceAll("coopLoadT<", "coopLoad<"),
  "forgets a unit": (code) =>
    // the last: the smallest tile may have one only
    code.replace(
      /\S+( = coopMultiplyAdd\()(?!.*coopMultiplyAdd)/s,
      "let lost$1",
    ),
  "gives sums of the digits of f16": (code) =>
    code.replaceAll(
      /(let result\d+ = bitcast<vec4<f32>>)\((.*)\);/g,
      "$1($2 & vec4<u32>(0xffffe000u));",
    ).replaceAll(/(coopStore\(c\d+_\d+), &out/g, "$1 * 0.9998f, &out"),
  "does not compile": () => "no shader",
};

onUnits("right ones pass their test, others are left out", async (one) => {
  const { adapter, precision, unit } = one;
  const right = await one.open();
  assert.equal(right.device.noUnit, undefined);
  const named = `, matrix units ${formatUnit(unit)}`;
  assert.ok(right.device.kernels.includes(named), right.device.kernels);
  const failed = `${formatUnit(unit)} failed its self-test`;
  for (const [what, change] of Object.entries(FAULTS)) {
    const gpu = await openWebGpuBackend(
      withShaders(
        adapter,
        (code) => code.includes("coop_mat") ? change(code) : code,
      ),
      { precision },
    );
    const { noUnit = "", kernels } = gpu.device;
    assert.ok(noUnit.startsWith(failed), `one that ${what} passes`);
    assert.equal(kernels, right.device.kernels.replace(named, ""));
    assert.ok(gpu.gemmCandidates.every(({ flow }) => flow !== "matrix"));
    await gpu.dispose();
  }
  await right.dispose();
});

/** All layouts, at odd sizes; few, as software takes a second to compile one. */
const PRODUCTS = opCases.filter(({ name }) =>
  /^matmul M=(37|67) .*\d( trans\w)*( trans\w)? (bias|addTo)$/.test(name) &&
  name.startsWith("matmul M=37") === name.endsWith("addTo")
);

onUnits("all layouts", async (device) => {
  assert.equal(PRODUCTS.length, 2 * 4);
  const gpu = await device.open();
  for (const one of PRODUCTS) await expectProduct(gpu, one, device);
  await gpu.dispose();
});

// Of 96 columns, turns of the threads come to other ones.
const OTHERS = [
  "64x32x16 32x16 / 3",
  "32x64x32 16x32",
  "64x32x64 32x16",
  "32x96x16 16x48",
  "32x96x16 32x48",
];
for (const tile of OTHERS) {
  onUnits(`by ${tile}`, async (device) => {
    const gpu = await device.open(tile);
    for (const one of PRODUCTS.filter(({ name }) => / M=67 .*A/.test(name))) {
      await expectProduct(gpu, one, device);
    }
    await gpu.dispose();
  });
}

async function expectProduct(
  gpu: Backend,
  one: OpCase,
  { unit }: MatrixDevice,
): Promise<void> {
  assert.ok(one.op === "matmul");
  const { a, b } = one.in;
  const round = ({ shape, data }: typeof a) => ({
    shape,
    data: rounded(data as Float32Array, unit),
  });
  const known = { ...one, in: { ...one.in, a: round(a), b: round(b) } };
  const want = await runOpCase(openReferenceBackend(), known);
  assertOpClose(one, await runOpCase(gpu, one), want);
}

onUnits("factors that are stored as the unit takes them", async (device) => {
  const { scalar } = device.unit;
  const gpu = await device.open("32x32x64 16x16");
  const stored = { a: scalar, b: scalar };
  // Rows of whole eights, and not.
  for (const sizes of [{ M: 72, N: 88, K: 104 }, { M: 76, N: 68, K: 100 }]) {
    for (const layout of ["NN", "NT", "TN", "TT"]) {
      const transA = layout[0] === "T", transB = layout[1] === "T";
      const g = new Graph();
      recordSite(g, { kind: "matmul", shape: { ...sizes, transA, transB } });
      const program = plan({ g });
      const got = await runSite(
        { compile: (program) => gpu.compile(program, { stored }) },
        ...[program, device, scalar] as const,
      );
      const want = await runSite(openReferenceBackend(), program, device);
      expectNear(got, want);
    }
  }
  await gpu.dispose();
});

onUnits("whole tiles, in parts", async (device) => {
  const M = 12 * 32, N = 12 * 32, K = 72;
  const g = new Graph();
  g.matmul(g.state("a", [M, K]), g.state("b", [K, N]), {
    out: g.state("out", [M, N]),
  });
  const program = plan({ g });
  const { adapter, precision, unit } = device;
  const run = async (backend: Pick<Backend, "compile">) => {
    const executable = await backend.compile(program);
    for (const [i, name] of ["a", "b"].entries()) {
      const { data } = normal(i + 1, i === 0 ? [M, K] : [K, N]);
      executable.write(name, rounded(data as Float32Array, unit));
    }
    await executable.run("g");
    const out = await executable.read("out") as Float32Array;
    await executable.dispose();
    return out;
  };
  const by = async (variant: GemmVariant) => {
    const gemmVariant = () => variant;
    const gpu = await openWebGpuBackend(adapter, { precision, gemmVariant });
    const out = await run(gpu);
    await gpu.dispose();
    return out;
  };
  const want = await run(openReferenceBackend());
  const expect = (got: Float32Array) =>
    got.forEach((value, i) => {
      // f32 sums of 72 terms, as below.
      const allowed = 2e-5 * Math.max(1, Math.abs(want[i]));
      assert.ok(Math.abs(value - want[i]) <= allowed, `${value}, ${want[i]}`);
    });
  const whole = onUnit("32x32x16 16x16", unit);
  expect(await by(whole));
  expect(await by({ ...whole, splitK: 2 }));
});

// Threads store one column of vectors each, or several. The last of five parts
// of 32 has nothing.
const TILES = [
  "32x32x16 16x16",
  "32x96x16 16x48",
  "32x32x16 16x16 / 2",
  "32x32x16 16x16 / 5",
  "32x32x64 16x16",
];

const SITES = productSites({ M: 74, N: 68, K: 100 });

for (const [what, site] of Object.entries(SITES)) {
  for (const tile of TILES) {
    onUnits(`${what}, by ${tile}`, async (device) => {
      const g = new Graph();
      recordSite(g, { kind: "matmul", ...site });
      const program = plan({ g });
      const gpu = await device.open(tile);
      // Sums of columns are of numbers as they are: rounded, so that both are.
      const got = await runSite(gpu, program, device);
      const want = await runSite(openReferenceBackend(), program, device);
      expectNear(got, want);
      await gpu.dispose();
    });
  }
}

onUnits("gradients that are small keep their digits", async (device) => {
  // Each of 32 rows has 1 / (32 * 2^14) of the loss, of which a logit gets a
  // 64th on average: 3e-8, when the smallest number of f16 is 6e-8.
  const size = await expectGradients(device, {
    ...{ rows: 32, scale: 2 ** -14, counts: 32 },
  });
  assert.ok(size < 1e-6, `${size}`);
});

onUnits("gradients of few targets fit", async (device) => {
  // All of the loss is of one row.
  await expectGradients(device, { rows: 128, scale: 1, counts: 1 });
});

/**
 * Expects gradients of a loss of which the last rows may not count.
 *
 * @returns How large they are.
 */
async function expectGradients(
  device: MatrixDevice,
  { rows, scale, counts }: { rows: number; scale: number; counts: number },
): Promise<number> {
  const C = 32, V = 64;
  const g = new Graph();
  const W = g.param("W", [C, V]), U = g.param("U", [C, C]);
  const x = g.input("x", [rows, C], "f32");
  const logits = g.matmul(g.matmul(x, U), W);
  const targets = g.input("targets", [rows], "u32");
  const { rowLoss } = g.crossEntropy(logits, targets);
  gradients(g, g.meanLoss(rowLoss, targets, { scale }), {
    into: new Map([W, U].map((one) => [one, {
      out: g.state(`d.${one.name}`, [...one.shape]),
      accumulate: false,
    }])),
  });
  const program = plan({ g });
  const run = async (backend: Pick<Backend, "compile">) => {
    const executable = await backend.compile(program);
    for (const [i, { name, shape }] of [W, U, x].entries()) {
      executable.write(name, normal(i + 1, [...shape], { scale: 0.2 }).data);
    }
    executable.write(
      "targets",
      Uint32Array.from(
        { length: rows },
        (_, i) => i < counts ? i : IGNORED_TARGET,
      ),
    );
    await executable.run("g");
    const [dW, dU] = await executable.readAll(["d.W", "d.U"]);
    await executable.dispose();
    return { dW, dU } as Record<string, Float32Array>;
  };
  const gpu = await device.open();
  const got = await run(gpu), want = await run(openReferenceBackend());
  // Gradients that flow on stay bf16 in memory, with its 8 bits. Of a term of a
  // sum, both factors were rounded, and what each was made of: four errors of
  // 2^-8 at most, each evenly spread. They differ from term to term, so that
  // they add up as the terms do: to a share of the size of a sum, or of a sum
  // that one term makes large. Of these 3072 sums, none is 4.5 deviations off.
  const deviation = Math.sqrt(4 / 3) * 2 ** -8;
  const sizes = Object.entries(want).map(([name, values]) => {
    const size = Math.sqrt(
      values.reduce((sum, x) => sum + x * x, 0) / values.length,
    );
    assert.ok(size > 0, name);
    values.forEach((value, i) => {
      const error = Math.abs(got[name][i] - value);
      assert.ok(
        error < 4.5 * deviation * Math.max(size, Math.abs(value)),
        `${name}[${i}]: ${got[name][i]}, ${value}`,
      );
    });
    return size;
  });
  await gpu.dispose();
  return Math.max(...sizes);
}

const lossOf = ({ trainLoss }: { trainLoss: number }) => trainLoss;

for (const arch of ["gpt2", "llama"] as const) {
  onUnits(`${arch} learns as in fp32`, async (device) => {
    const config = tinyConfig({
      model: { arch, nLayer: 1, nHead: 2, nEmbd: 32, seqLen: 16 },
      train: { steps: 50, batchSize: 4, lr: 5e-3 },
    });
    const losses = async (backend: Backend) => {
      const dataset = fakeDataset(config);
      const session = await openTestSession({ config, backend, dataset });
      const events = only(await collect(session), "step");
      await session.dispose();
      return events.map(lossOf);
    };
    const full = await losses(openReferenceBackend());
    const half = await losses(await device.open());
    assert.equal(half.length, 50);
    // As where only activations are stored so; see ../webgpu/two_bytes_test.ts.
    const allowed = device.precision === "bf16" ? 1e-2 : 5e-3;
    const off = full.map((loss, step) => Math.abs(loss - half[step]));
    assert.ok(Math.max(...off) > 0, "factors are rounded");
    assert.ok(Math.max(...off) < allowed, `it is off by ${off}`);
  });
}

onUnits("a run goes on with the same bits", async (device) => {
  const config = tinyConfig({
    model: { nLayer: 1, nHead: 2, nEmbd: 32, seqLen: 16 },
    train: { steps: 10, batchSize: 4 },
  });
  const open = async (restore?: Snapshot) =>
    await openTestSession({
      ...{ config, dataset: fakeDataset(config), restore },
      backend: await device.open(),
    });
  const whole = await open();
  const losses = only(await collect(whole), "step").map(lossOf);
  const { params } = structuredClone(await whole.snapshot());
  await whole.dispose();

  const first = await open();
  const stop = new AbortController();
  const again: number[] = [];
  for await (const event of train(first, { signal: stop.signal })) {
    if (event.kind === "step") again.push(event.trainLoss);
    if (event.step === 5) stop.abort();
  }
  const restore = structuredClone(await first.snapshot());
  await first.dispose();
  const second = await open(restore);
  again.push(...only(await collect(second), "step").map(lossOf));
  assert.deepEqual(again, losses);
  assert.deepEqual((await second.snapshot()).params, params);
  await second.dispose();
});

/** Whether a choice is for a product, as `512x768x3072 NN` is. */
const isProduct = (site: string) => /^\d+x\d+x\d+ [NT]{2}/.test(site);

onUnits("a run goes on without one that fails by then", async (device) => {
  const { adapter, precision, unit } = device;
  const config = tinyConfig({
    model: { nLayer: 1, nHead: 2, nEmbd: 32, seqLen: 16 },
    train: { steps: 4, batchSize: 4 },
  });
  const dataset = fakeDataset(config);
  const first = await openTestSession({
    ...{ config, dataset, backend: await device.open() },
  });
  for await (const event of train(first)) if (event.step === 2) break;
  const restore = structuredClone(await first.snapshot());
  const then = first.device.kernels;
  // As timing chooses on a card; software is not timed.
  const choice = formatVariant(onUnit("32x32x32 16x16", unit));
  const choices = Object.entries(restore.trainer.kernelChoices ?? {});
  assert.ok(choices.some(([site]) => isProduct(site)));
  restore.trainer.kernelChoices = Object.fromEntries(
    choices.map(([site, as]) => [site, isProduct(site) ? choice : as]),
  );
  await first.dispose();

  const second = await openTestSession({
    ...{ config, dataset, restore },
    backend: await openWebGpuBackend(
      withShaders(
        adapter,
        (code) => code.includes("coop_mat") ? "no shader" : code,
      ),
      { precision },
    ),
  });
  assert.deepEqual(second.warnings, [
    "The kernels are not those of the checkpoint, so the numbers may differ " +
    `in their last bits: "${second.device.kernels}" now, "${then}" then`,
  ]);
  const losses = only(await collect(second), "step").map(lossOf);
  assert.equal(losses.length, 4 - restore.trainer.step);
  assert.ok(losses.every(Number.isFinite), `${losses}`);
  for (const choice of Object.values(second.state.kernelChoices ?? {})) {
    assert.doesNotMatch(choice, /matrix/);
  }
  await second.dispose();
});
