/**
 * The shaders of whole models as they are made for a card with matrix units,
 * one like NVIDIA's H200, which Khronos's own validator must accept: a card's
 * driver may not bear what those in software do. No adapter is needed.
 */

import assert from "node:assert/strict";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import {
  type AdapterInfo,
  describe,
} from "../../../src/backend/webgpu/device/adapters.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { matrixUnitFor } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { ChosenKernels } from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { plan } from "../../../src/graph/plan.ts";
import { buildDecode, buildSample } from "../../../src/model/model.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { adapter } from "../devices/_fake_adapter.ts";
import { knowsMatrices, validate, validatorYear } from "./_val.ts";

const UNITS = (["f16", "bf16"] as const).map((scalar): MatrixUnit => ({
  ...{ M: 16, N: 16, K: 16, scalar, lanes: 32 },
}));

const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupStorageSize: 49152,
  maxStorageBuffersPerShaderStage: 64,
};

const CARD: AdapterInfo = {
  id: "vulkan:0",
  ...describe(adapter({ name: "NVIDIA H200", vendor: 0x10de }), "vulkan"),
  limits: LIMITS,
};

/** Models as the profiles have them, of two layers, as all are alike. */
const MODELS: Record<
  string,
  Pick<ConfigInput, "model" | "train"> & { vocabSize: number }
> = {
  "gpt2-small": {
    vocabSize: 50257,
    model: { arch: "gpt2", nLayer: 2, nHead: 12, nEmbd: 768, seqLen: 1024 },
    train: { batchSize: 4 },
  },
  "shakespeare-char": {
    vocabSize: 65,
    model: {
      ...{ arch: "gpt2", nLayer: 2, nHead: 6, nEmbd: 384, seqLen: 256 },
      ...{ bias: false, dropout: 0.2, gelu: "exact" },
    },
    train: { batchSize: 64, recompute: "selective" },
  },
  "a llama": {
    vocabSize: 32000,
    model: {
      ...{ arch: "llama", nLayer: 2, nHead: 12, nKvHead: 4, nEmbd: 768 },
      seqLen: 1024,
    },
    train: { batchSize: 8, recompute: "full" },
  },
};

/**
 * All that training, evaluating and generating compiles, each text once, with
 * the op that it is for.
 */
function shadersOf(
  model: keyof typeof MODELS,
  precision: "fp32" | "bf16" | "fp16",
): Map<string, string> {
  const { vocabSize, ...sections } = MODELS[model];
  const { model: sizes, train } = tinyConfig(sections);
  const resolved = resolveModel(sizes, vocabSize);
  const unit = matrixUnitFor(precision, UNITS);
  const chosen = new ChosenKernels({ ...CARD, unit }, LIMITS);
  const decode = (T: number) => buildDecode(resolved, { T, S: sizes.seqLen });
  const programs = [
    buildStepProgram(resolved, { ...train, gradAccumSteps: 2 }),
    plan({ token: decode(1), prompt: decode(64) }),
    plan({ sample: buildSample(resolved) }),
  ];
  const dispatches = programs.flatMap((program) =>
    [
      ...lower(program, {
        maxBindingBytes: 2 ** 31 - 4,
        maxBindings: LIMITS.maxStorageBuffersPerShaderStage,
        workgroupBytes: LIMITS.maxComputeWorkgroupStorageSize,
        gemmVariant: (shape) => chosen.gemm(shape),
        attention: ({ op, attrs }) => chosen.attention(op, attrs),
        ...{ hasU64: true, precision, unit, fuse: true },
      }).phases.values(),
    ].flat()
  );
  return new Map(
    dispatches.map((one) => [
      shaderText(one, one.bindings.map(({ written }) => written)),
      one.label,
    ]),
  );
}

for (const model of Object.keys(MODELS)) {
  Deno.test(`compileShader() takes what ${model} needs on a card`, async () => {
    for (const precision of ["fp32", "bf16", "fp16"] as const) {
      const shaders = [...shadersOf(model, precision)].map(([text, op]) => ({
        op,
        ...compileShader(text),
      }));
      assert.ok(shaders.length > 40, `${shaders.length}`);
      const asks = new Set(shaders.flatMap(({ capabilities }) => capabilities));
      // Products and attention alike are on the units; of its gradient the dot
      // products of rows are not.
      const off = (op: string) =>
        shaders.filter((one) =>
          one.op === op && !one.capabilities.includes("cooperativeMatrix")
        ).length;
      assert.equal(off("attention") > 0, precision === "fp32");
      assert.equal(off("attentionBackward") > 1, precision === "fp32");
      assert.equal(asks.has("cooperativeMatrix"), precision !== "fp32");
      assert.equal(asks.has("bFloat16CooperativeMatrix"), precision === "bf16");
      for (const { workgroupSize: [x, y, z] } of shaders) {
        assert.ok(x * y * z <= LIMITS.maxComputeInvocationsPerWorkgroup);
      }
      const canTell = precision === "fp32"
        ? validatorYear !== null
        : knowsMatrices;
      if (!canTell) continue;
      await validate(shaders.map(({ words }) => words), {
        target: "vulkan1.3",
      });
    }
  });
}
