import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { sumsColumns } from "../../../src/backend/webgpu/kernels/gemm.ts";
import {
  chooseGemm,
  gemmCandidates,
  parseVariant,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { findFused } from "../../../src/backend/webgpu/lowering/fusion.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import type { WebGpuOptions } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { gradients } from "../../../src/graph/gradients.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { sizeOf, type Tensor } from "../../../src/graph/tensor.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { normal } from "../_op_inputs.ts";
import { noAdapter as ignore, openTestGpu } from "./_webgpu.ts";

/** Rows and columns that fill no tile; columns are multiples of 4. */
const ROWS = 74, C = 44, F = 68;

/** A program of one phase, `g`. */
interface Built {
  readonly program: Program;
  /** What to look at. */
  readonly outputs: readonly string[];
}

/**
 * A branch as GPT-2 has: `x + dropout(gelu(norm(x) W + b) U + c)`, twice over
 * the same parameters, so that gradients are added up as well.
 */
function branches(tanh: boolean, p: number): Built {
  const g = new Graph();
  const params: Tensor[] = [];
  const param = (name: string, shape: number[]) => {
    const one = g.param(name, shape);
    params.push(one);
    return one;
  };
  const rng = g.input("rng", [4], "u32");
  const weight = param("weight", [C]), shift = param("shift", [C]);
  const W = param("W", [C, F]), b = param("b", [F]);
  const U = param("U", [F, C]), c = param("c", [C]);
  let x: Tensor = g.input("x", [ROWS, C], "f32");
  for (const site of [1, 2]) {
    const norm = g.layerNorm(x, weight, shift, 1e-5).out;
    const hidden = g.gelu(g.matmul(norm, W, { bias: b }), { tanh });
    x = g.dropout(g.matmul(hidden, U, { bias: c }), {
      ...{ p, site, rng, addTo: x },
    });
  }
  g.add(x, x, { out: g.output("result", [ROWS, C]) });
  const targets = g.input("targets", [ROWS], "u32");
  const { rowLoss } = g.crossEntropy(x, targets);
  const mean = g.meanLoss(rowLoss, targets, { scale: 1 });
  gradients(g, mean, {
    into: new Map(params.map((one) => [one, {
      out: g.state(`d.${one.name}`, [...one.shape]),
      accumulate: false,
    }])),
  });
  return {
    program: plan({ g }),
    outputs: ["result", ...params.map(({ name }) => `d.${name}`)],
  };
}

async function runBuilt(
  backend: Pick<Backend, "compile">,
  { program, outputs }: Built,
): Promise<Record<string, Float32Array>> {
  const executable = await backend.compile(program);
  for (const { name, kind, shape, dtype } of program.persistent.values()) {
    const length = sizeOf(shape);
    if (dtype === "u32") {
      executable.write(name, Uint32Array.from({ length }, (_, i) => i % 7));
    } else if (kind === "param" || name === "x") {
      const options = { scale: name === "x" ? 1 : 0.2 };
      executable.write(name, normal(length, [...shape], options).data);
    }
  }
  await executable.run("g");
  const results: Record<string, Float32Array> = {};
  for (const name of outputs) {
    results[name] = await executable.read(name) as Float32Array;
  }
  await executable.dispose();
  return results;
}

function assertClose(
  got: Record<string, Float32Array>,
  want: Record<string, Float32Array>,
): void {
  for (const [name, numbers] of Object.entries(want)) {
    // f32 sums of up to 74 terms in another order, through two layers.
    numbers.forEach((value, i) => {
      const allowed = 2e-5 * Math.max(1, Math.abs(value));
      const error = Math.abs(got[name][i] - value);
      assert.ok(error <= allowed, `${name}[${i}]: ${got[name][i]}, ${value}`);
    });
  }
}

for (
  const [title, tanh, p, tile] of [
    ["GELU by tanh, no tile in workgroup memory", true, 0.25, undefined],
    ["exact GELU, tiles", false, 0, "32x32x4 4x4 staged row"],
    ["tiles read ahead", true, 0.25, "16x32x4 4x4 ahead block"],
    ["tiles, k in parts", true, 0, "32x32x4 4x4 staged row / 2"],
  ] as const
) {
  Deno.test(`webgpu: fused calls compute what single ones do: ${title}`, {
    ignore,
  }, async () => {
    const built = branches(tanh, p);
    const options: WebGpuOptions = tile
      ? { gemmVariant: () => parseVariant(tile) }
      : {};
    const gpu = await openTestGpu(options);
    const want = await runBuilt(openReferenceBackend(), built);
    assertClose(await runBuilt(gpu, built), want);
    await gpu.dispose();
  });
}

Deno.test("webgpu: a product ends with the gradient of SwiGLU", {
  ignore,
}, async () => {
  const gpu = await openTestGpu();
  for (const tile of ["32x32x4 4x4 direct row", "32x32x4 4x4 staged row / 2"]) {
    const g = new Graph();
    const W = g.param("W", [C, 2 * F]), U = g.param("U", [F, C]);
    const x = g.input("x", [ROWS, C], "f32");
    const y = g.matmul(g.swiglu(g.matmul(x, W)), U);
    const targets = g.input("targets", [ROWS], "u32");
    const { rowLoss } = g.crossEntropy(y, targets);
    gradients(g, g.meanLoss(rowLoss, targets, { scale: ROWS }), {
      into: new Map([W, U].map((one) => [one, {
        out: g.state(`d.${one.name}`, [...one.shape]),
        accumulate: false,
      }])),
    });
    const built = { program: plan({ g }), outputs: ["d.W", "d.U"] };
    const fused = findFused(built.program.phases.g);
    assert.equal(fused.length, 1);
    const compile = (one: Program) =>
      gpu.compile(one, { gemmVariant: () => parseVariant(tile) });
    const want = await runBuilt(openReferenceBackend(), built);
    assertClose(await runBuilt({ compile }, built), want);
  }
  await gpu.dispose();
});

Deno.test("webgpu: tiles sum columns by the way, or sumRows does", {
  ignore,
}, async () => {
  const gpu = await openTestGpu();
  for (const candidate of gemmCandidates()) {
    // Of 96 columns, 128 threads load some and then others.
    const isOdd = candidate.tileN === 96;
    assert.equal(sumsColumns(candidate), !isOdd, JSON.stringify(candidate));
  }
  // Few are compiled here, where that takes long: one of each kind of loop.
  const tiles = [
    "32x32x4 4x4 direct row",
    "64x64x4 8x8 direct row / 3",
    "32x32x16 4x4 ahead row / 2",
    "64x32x8 8x4 ahead block",
    "64x64x4 4x4 staged row", // fewer vectors of a tile than threads
    "32x96x4 4x12 ahead block / 2", // which does not sum them
  ];
  for (const [i, tile] of tiles.entries()) {
    const g = new Graph();
    const x = g.state("x", [ROWS, C]), dOut = g.state("dOut", [ROWS, F]);
    const sums = g.state("sums", [F]);
    g.sumRows(dOut, { out: sums, addTo: i % 2 === 0 ? sums : undefined });
    g.matmul(x, dOut, { transA: true, out: g.state("dW", [C, F]) });
    const program = plan({ g });
    assert.equal(findFused(program.phases.g).length, 1);
    const options = { gemmVariant: () => parseVariant(tile) };
    const run = async (backend: Pick<Backend, "compile">) => {
      const executable = await backend.compile(program);
      executable.write("x", normal(1, [ROWS, C]).data);
      executable.write("dOut", normal(2, [ROWS, F]).data);
      executable.write("sums", normal(3, [F]).data);
      await executable.run("g");
      const [dW, all] = await executable.readAll(["dW", "sums"]);
      await executable.dispose();
      return { dW, sums: all } as Record<string, Float32Array>;
    };
    const compile = (one: Program) => gpu.compile(one, options);
    assertClose(await run({ compile }), await run(openReferenceBackend()));
  }
  await gpu.dispose();
});

Deno.test("webgpu: a residual that is a factor too is not overwritten", {
  ignore,
}, async () => {
  const g = new Graph();
  const rng = g.input("rng", [4], "u32");
  const x = g.input("x", [ROWS, C], "f32");
  const before = g.add(x, x);
  // The last reader of `before`, so that the result takes its place.
  const y = g.dropout(g.matmul(before, g.param("W", [C, C])), {
    ...{ p: 0.5, site: 1, rng, addTo: before },
  });
  g.add(y, y, { out: g.output("result", [ROWS, C]) });
  const built = { program: plan({ g }), outputs: ["result"] };
  assert.equal(findFused(built.program.phases.g).length, 1);
  const gpu = await openTestGpu();
  const want = await runBuilt(openReferenceBackend(), built);
  assertClose(await runBuilt(gpu, built), want);
  await gpu.dispose();
});

Deno.test("webgpu: layers share the shaders of dropout", {
  ignore,
}, async () => {
  const g = new Graph();
  const rng = g.input("rng", [4], "u32");
  const U = g.param("U", [C, C]);
  let x: Tensor = g.input("x", [ROWS, C], "f32");
  for (const site of [1, 2, 3]) {
    x = g.dropout(g.matmul(x, U), { p: 0.5, site, rng, addTo: x });
  }
  g.add(x, x, { out: g.output("result", [ROWS, C]) });
  const gpu = await openTestGpu();
  const before = gpu.pipelineCount; // a driver's first product
  const executable = await gpu.compile(plan({ g }));
  // Once the residual is the run's own input, which stays, then temporaries.
  const count = gpu.pipelineCount - before;
  assert.ok(count <= 4, `${count} pipelines`);
  await executable.dispose();
  await gpu.dispose();
});

Deno.test("webgpu: attention's gradient without what it keeps", {
  ignore,
}, async () => {
  const reference = openReferenceBackend();
  const gpu = await openTestGpu({ fuse: false });
  const cases = opCases.filter(({ name }) =>
    name.startsWith("attentionBackward B=1 T=130 H=2 Hkv=1 D=16")
  );
  assert.equal(cases.length, 1);
  for (const one of cases) {
    const got = await runOpCase(gpu, one);
    assertOpClose(one, got, await runOpCase(reference, one));
  }
  await gpu.dispose();
});

/** Dispatches of a first micro-step by op. */
function dispatchCounts(
  fuse: boolean,
  { maxBindings = 16 } = {},
): Record<string, number> {
  const config = tinyConfig({
    model: { arch: "gpt2", nLayer: 2, bias: true, dropout: 0.1 },
    train: { batchSize: 32 }, // more rows than fit one chunk of column sums
  });
  const program = buildStepProgram(
    resolveModel(config.model, 96),
    config.train,
  );
  const { phases } = lower(program, {
    ...{ maxBindingBytes: 2 ** 30, maxBindings, fuse },
    attention: () => ({ flow: "direct" }),
    precision: "fp32",
    gemmVariant: (shape) =>
      chooseGemm(shape, { isSoftware: true, vendor: "mesa" }),
  });
  const counts: Record<string, number> = {};
  for (const { label } of phases.get("firstMicroStep")!) {
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}

Deno.test("lower() leaves no sum of a bias and no GELU by itself", () => {
  const plain = dispatchCounts(false), fused = dispatchCounts(true);
  const left = (op: string) => [plain[op] ?? 0, fused[op] ?? 0];
  // Of each layer 4 products with a bias and 2 norms; the last norm; each in
  // two dispatches.
  assert.deepEqual(left("sumRows"), [2 * (2 * (4 + 2) + 1), 0]);
  assert.deepEqual(left("gelu"), [2, 0]);
  assert.deepEqual(left("geluBackward"), [2, 0]);
  // Embeddings; of the others, a product ends with each of the forward ones,
  // and a norm's gradient with each of the backward ones.
  assert.deepEqual(left("dropout"), [1 + 4 + 5, 1]);
  // Eight tensors are enough for the last norm, to which nothing is added, and
  // for the first, whose result nobody else reads, but not for the three others.
  const few = dispatchCounts(true, { maxBindings: 8 });
  assert.equal(few.dropout, 1 + 3);
  assert.deepEqual(left("matmul"), [plain.matmul, plain.matmul]);
});
