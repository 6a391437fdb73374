import assert from "node:assert/strict";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import type { MatrixGradientTile } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import {
  canMatrixGradient,
  gradientTiles,
} from "../../../src/backend/webgpu/attention_matrix/attention_matrix_part.ts";
import type {
  GpuTensor,
  StoredPrecision,
  StoredType,
} from "../../../src/backend/webgpu/dispatch.ts";
import { gemmDispatches } from "../../../src/backend/webgpu/kernels/gemm.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { MatrixTile } from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import { formatUnit } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import { gradientScale } from "../../../src/backend/webgpu/lowering/gradients.ts";
import {
  lower,
  type LowerOptions,
} from "../../../src/backend/webgpu/lowering/lower.ts";
import { recordSite } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { Graph } from "../../../src/graph/graph.ts";
import type { AttentionAttrs } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { instructionsOf } from "../spirv/_reader.ts";
import { knowsMatrices, validate } from "../spirv/_val.ts";

/** A step of a tiny model of so many rows. */
function stepProgram(
  { batchSize = 4, gradAccumSteps = 1, arch = "gpt2" as "gpt2" | "llama" } = {},
): Program {
  const config = tinyConfig({
    model: { arch, nLayer: 1, nHead: 4, nEmbd: 32, seqLen: 16 },
    train: { batchSize },
  });
  const model = resolveModel(config.model, 96);
  return buildStepProgram(model, { ...config.train, gradAccumSteps });
}

/** The texts of the products of a first micro-step on matrix units. */
function productsOf(
  program: Program,
  precision: StoredPrecision,
  options: Pick<LowerOptions, "unit" | "copyFactors"> = { copyFactors: false },
): string[] {
  const scalar = precision === "bf16" ? "bf16" : "f16";
  const tile = `32x32x32 16x16 matrix ${scalar} 16x16x16 on 32 lanes`;
  const { phases } = lower(program, {
    ...{ maxBindingBytes: 2 ** 30, maxBindings: 16, fuse: true, precision },
    attention: () => ({ flow: "direct" }),
    gemmVariant: () => parseVariant(tile),
    ...options,
  });
  return phases.get("firstMicroStep")!
    .filter(({ label }) => label === "matmul").map(({ code }) => code);
}

Deno.test("gradientScale() is 2^8 times the rows of a step, a power of two", () => {
  const scale = (batchSize: number, gradAccumSteps = 1) =>
    gradientScale(
      stepProgram({ batchSize, gradAccumSteps }).phases.firstMicroStep,
    );
  assert.equal(scale(4), 2 ** 8 * 64);
  assert.equal(scale(5), 2 ** 8 * 64); // 80 rows
  assert.equal(scale(6), 2 ** 8 * 128); // 96 rows: nearer, by factors
  assert.equal(scale(4, 8), 2 ** 8 * 512); // each micro-step has its share
  assert.equal(gradientScale([]), 1);
});

for (const arch of ["gpt2", "llama"] as const) {
  Deno.test(`products of ${arch} scale gradients alone, and only for f16`, () => {
    const program = stepProgram({ arch });
    const products = productsOf(program, "fp16");
    // Of each matrix, and of the head: forward, and the gradients of both
    // factors, each by one factor that is a gradient itself.
    const scaled = products.map((code) => ({
      a: /packed\(aLow0 \* 16384f\)/.test(code),
      b: /packed\(bLow0 \* 16384f\)/.test(code),
      result: code.includes(`* ${1 / 16384}f;`),
    }));
    const matrices = 5; // qkv, attProj, fc or gateUp, fcProj, head
    assert.equal(products.length, 3 * matrices);
    assert.deepEqual(
      scaled.slice(0, matrices),
      Array(matrices).fill({ a: false, b: false, result: false }),
    );
    const back = scaled.slice(matrices);
    assert.ok(back.every(({ a, b }) => a !== b));
    assert.ok(back.every(({ result }) => result));
    for (const code of productsOf(program, "bf16")) {
      assert.doesNotMatch(code, /packed\([ab](Low|High)\d \*/);
    }
  });
}

for (const arch of ["gpt2", "llama"] as const) {
  Deno.test(`gradients of ${arch} are stored as units of f16 take them`, () => {
    const program = stepProgram({ arch });
    const unit = { M: 16, N: 16, K: 16, scalar: "f16", lanes: 32 } as const;
    const products = productsOf(program, "fp16", { unit });
    const matrices = 5;
    assert.equal(products.length, 3 * matrices);
    for (const [i, code] of products.entries()) {
      const isBack = i >= matrices;
      assert.equal(code.includes(`* ${1 / 16384}f;`), isBack);
      if (!/raw_a\(/.test(code)) {
        assert.match(code, /packed\(aLow0 \* 16384f\)/);
      }
    }
    const raw = products.filter((code) => /raw_a\(/.test(code));
    // What flows past is the factor of two gradients, of attProj and fcProj;
    // for the wide one of gpt2 it is read often enough.
    assert.equal(raw.length, 3 * matrices - (arch === "gpt2" ? 1 : 2));
    for (const code of raw) assert.doesNotMatch(code, /packed\(a/);
  });
}

Deno.test("attention's gradient reads f16 as units take it", () => {
  const unit = { M: 8, N: 8, K: 8, scalar: "f16", lanes: 8 } as const;
  const [tile] = gradientTiles(unit, {});
  const { phases } = lower(stepProgram(), {
    ...{ maxBindingBytes: 2 ** 30, maxBindings: 16, fuse: true, unit },
    ...{ precision: "fp16", workgroupBytes: 49152 },
    attention: ({ op }) => op === "attention" ? { flow: "direct" } : tile,
    gemmVariant: () =>
      parseVariant("32x32x32 16x16 matrix f16 8x8x8 on 8 lanes"),
  });
  const [dots, keys] = phases.get("firstMicroStep")!
    .filter(({ label }) => label === "attentionBackward");
  for (const name of ["qkv", "dOut"]) {
    assert.ok(keys.code.includes(`raw_${name}(`), name);
  }
  const { dOut } = Object.fromEntries(
    dots.bindings.map(({ name, tensor }) => [name, tensor]),
  );
  assert.deepEqual([dOut.dtype, dOut.scale], ["f16", 2 ** 8 * 64]);
  // What rows lose is in proportion; results are without.
  assert.match(keys.code, /dots0 = rowDots\[.*\] \* 16384f;/);
  assert.ok(keys.code.includes(`sum * ${2 ** -14}f;`));
});

Deno.test("factors that are stored as the unit takes them are not rounded", () => {
  const program = stepProgram();
  const [qkv, , fc, fcProj] = productsOf(program, "bf16");
  for (const code of [qkv, fc, fcProj]) {
    assert.match(code, /aNext0 = raw_a\(/); // activations
    assert.match(code, /packed\(bLow0\)/); // weights
  }
});

/** A product's modules by a variant, and its instructions for matrices. */
function compileProduct(
  variant: MatrixTile,
  { M, N, K, layout, a, b }: {
    M: number;
    N: number;
    K: number;
    layout: "NN" | "NT" | "TN";
    a: StoredType;
    b: StoredType;
  },
) {
  const tensor = (
    name: string,
    dtype: StoredType,
    length: number,
  ): GpuTensor => ({
    ...{ dtype, length, offset: 0 },
    memory: { name, sizeBytes: 4 * length, lifetime: "persistent" },
  });
  const [one] = gemmDispatches({
    a: tensor("a", a, M * K),
    b: tensor("b", b, K * N),
    out: tensor("out", "f32", M * N),
    ...layout !== "NT" && { sums: { out: tensor("sums", "f32", N) } },
  }, {
    shape: { M, N, K, transA: layout === "TN", transB: layout === "NT" },
    variant: { ...variant, splitK: 1 },
    partials: () => assert.fail("k is not split"),
  });
  const writable = one.bindings.map(({ written }) => written);
  const text = shaderText(one, writable);
  return compileShader(text);
}

const SUBGROUP = 3;

/** Who waits at each barrier from the first unit of results on. */
function endingScopes(all: ReturnType<typeof instructionsOf>) {
  const constants = new Map(
    all.filter(({ op }) => op === "constant")
      .map(({ operands: [, id, value] }) => [id, value]),
  );
  const first = all.findIndex(({ op }) => op === "cooperativeMatrixStore");
  return all.slice(first).filter(({ op }) => op === "controlBarrier")
    .map(({ operands: [scope] }) => constants.get(scope));
}

const UNITS = [
  [16, 16, 16, "f16", 32],
  [16, 16, 16, "bf16", 32],
  [16, 8, 16, "f16", 32], // NVIDIA's, too
  [8, 16, 16, "bf16", 16], // Intel's
  [8, 8, 8, "f16", 8], // that of Mesa's software
  [8, 8, 16, "f16", 64], // more threads than a row of units has vectors
] as const;

Deno.test("products by units of all makers become SPIR-V", async () => {
  const modules: Uint32Array<ArrayBuffer>[] = [];
  for (const [M, N, K, scalar, lanes] of UNITS) {
    const variant: MatrixTile = {
      ...{ tileM: 64, tileN: 32, tileK: 32, subgroupM: 32, subgroupN: 16 },
      ...{
        flow: "matrix",
        unit: { M, N, K, scalar, lanes },
      },
    };
    const odd = { M: 100, N: 68, K: 44 }, eights = { M: 104, N: 72, K: 48 };
    const cases = [
      { a: "f32", b: "bf16", tileK: 32, ...odd },
      { a: "f16", b: "f32", tileK: 64, ...odd },
      { a: scalar, b: scalar, tileK: 32, ...eights },
    ] as const;
    for (const layout of ["NN", "NT", "TN"] as const) {
      for (const { tileK, ...one } of cases) {
        const { words, workgroupSize, capabilities } = compileProduct({
          ...{ ...variant, tileK },
        }, { ...one, layout });
        modules.push(words);
        assert.deepEqual(workgroupSize, [4 * lanes, 1, 1]);
        assert.ok(capabilities.includes("cooperativeMatrix"));
        const isBf16 = capabilities.includes("bFloat16CooperativeMatrix");
        assert.equal(isBf16, scalar === "bf16");
        const all = instructionsOf(words);
        const count = (name: string) =>
          all.filter(({ op }) => op === name).length;
        // Of a subgroup's 32 x 16, as deep as a tile.
        const down = 32 / M, across = 16 / N, deep = tileK / K;
        assert.equal(
          count("cooperativeMatrixMulAdd"),
          down * across * deep,
        );
        assert.equal(
          count("cooperativeMatrixLoad"),
          deep * (down + across),
        );
        assert.equal(count("cooperativeMatrixStore"), down * across);
        // Results are passed on within a subgroup, before and behind reading.
        assert.deepEqual(endingScopes(all), [SUBGROUP, SUBGROUP]);
      }
    }
  }
  if (knowsMatrices) {
    await validate(modules, { target: "vulkan1.3" });
  }
});

/** The dispatches of attention's gradient by a tile, as modules. */
function compileGradient(
  tile: MatrixGradientTile,
  attrs: AttentionAttrs,
): ReturnType<typeof compileShader>[] {
  const g = new Graph();
  recordSite(g, { kind: "attentionBackward", attrs });
  const { phases } = lower(plan({ g }), {
    ...{ maxBindingBytes: 2 ** 30, maxBindings: 16, fuse: true },
    ...{ workgroupBytes: 49152, precision: "fp32" },
    attention: () => tile,
    gemmVariant: () => assert.fail("there is no product"),
  });
  return phases.get("g")!.map((one) =>
    compileShader(shaderText(one, one.bindings.map(({ written }) => written)))
  );
}

Deno.test("attention's gradient by units of all makers becomes SPIR-V", async () => {
  const modules: Uint32Array<ArrayBuffer>[] = [];
  const limits = {
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
  };
  const size = { B: 2, T: 70, H: 4, Hkv: 2, p: 0.1, site: 3 };
  for (const [M, N, K, scalar, lanes] of UNITS) {
    const unit = { M, N, K, scalar, lanes };
    for (const D of [16, 64, 128]) {
      const [tile] = gradientTiles(unit, limits);
      assert.ok(canMatrixGradient({ D }, tile, 49152), formatUnit(unit));
      const [, keys, queries] = compileGradient(tile, { ...size, D });
      modules.push(keys.words, queries.words);
      const products = ({ words }: typeof keys) =>
        instructionsOf(words)
          .filter(({ op }) => op === "cooperativeMatrixMulAdd").length;
      const work = M * N * K;
      // Four products of a subgroup's rows with the queries of a step, and one
      // of 64 keys with its rows of queries.
      assert.equal(products(keys) * work, 4 * tile.rows * tile.step * D);
      assert.equal(products(queries) * work, 64 * tile.rows * D);
      assert.ok(keys.capabilities.includes("cooperativeMatrix"));
    }
  }
  if (knowsMatrices) {
    await validate(modules, { target: "vulkan1.3" });
  }
});
