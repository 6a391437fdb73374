import assert from "node:assert/strict";
import { parseVariant } from "../../src/backend/webgpu/gemm/gemm_choice.ts";
import { lower } from "../../src/backend/webgpu/lower.ts";
import {
  gradientScale,
  type StoredPrecision,
} from "../../src/backend/webgpu/two_bytes.ts";
import type { Program } from "../../src/graph/program.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { tinyConfig } from "../train/_helpers.ts";

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
function productsOf(program: Program, precision: StoredPrecision): string[] {
  const scalar = precision === "bf16" ? "bf16" : "f16";
  const tile = `32x32x32 16x16 matrix ${scalar} 16x16x16 on 32 lanes`;
  const { phases } = lower(program, {
    ...{ maxBindingBytes: 2 ** 30, maxBindings: 16, fuse: true, precision },
    attention: () => ({ flow: "direct" }),
    gemmVariant: () => parseVariant(tile),
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
      a: /packed\(aNext0 \* 16384f\)/.test(code),
      b: /packed\(bNext0 \* 16384f\)/.test(code),
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
      assert.doesNotMatch(code, /packed\([ab]Next\d \*/);
    }
  });
}

Deno.test("factors that are stored as the unit takes them are not rounded", () => {
  const program = stepProgram();
  const [qkv, , fc, fcProj] = productsOf(program, "bf16");
  for (const code of [qkv, fc, fcProj]) {
    assert.match(code, /aNext0 = raw_a\(/); // activations
    assert.match(code, /packed\(bNext0\)/); // weights
  }
});
