import assert from "node:assert/strict";
import { programMemory } from "../../src/graph/program_memory.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { parameterCount } from "../../src/model/model_size.ts";
import { autoBatch, stepWork } from "../../src/train/device_fit.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { tinyConfig } from "./_helpers.ts";

const config = tinyConfig({
  tokenizer: { type: "byte" },
  train: { batchSize: 4 },
});
const { model, train } = config;

Deno.test("stepWork() is that of the configured batch", () => {
  const { flops, product } = stepWork(config);
  // 24 tokens; C = 8, L = 1, T = 6.
  const parameters = parameterCount(resolveModel(model, 256));
  assert.equal(flops, 24 * (6 * parameters + 12 * 1 * 6 * 8));
  assert.deepEqual(product, { M: 24, K: 8, N: 32 });
});

Deno.test("stepWork() assumes some thousand tokens for a batch left to us", () => {
  const { product } = stepWork({
    ...config,
    train: { ...train, batchSize: 0 },
  });
  assert.equal(product.M, 683 * 6); // the least that hold 4096
});

Deno.test("autoBatch() fits the program into what the device has", () => {
  const bytesOf = (batchSize: number) =>
    programMemory(
      buildStepProgram(resolveModel(model, 11), { ...train, batchSize }),
    );
  const device = { backend: "cpu", id: "cpu", name: "", kernels: "" } as const;
  const choose = (memoryBytes: number, tensorBytes?: number) =>
    autoBatch(config, {
      backend: { device, limits: { tensorBytes } },
      memoryBytes,
      vocabSize: 11,
      windows: 1e6,
    }).batchSize;
  const { total, largest } = bytesOf(16);
  assert.equal(choose(1.25 * total), 16); // 80 % of it hold the program
  assert.equal(choose(1.25 * total - 2), 8);
  assert.equal(choose(1e12, largest), 16);
  assert.equal(choose(1e12, largest - 1), 8);
  assert.equal(choose(1e12), 512); // 3072 tokens; the next would be 6144
});
