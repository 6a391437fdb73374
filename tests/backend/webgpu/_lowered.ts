/**
 * Dispatches of every op and of whole steps, made without an adapter.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import type { AttentionFlow } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import type {
  Dispatch,
  StoredPrecision,
} from "../../../src/backend/webgpu/dispatch.ts";
import { parseGemm } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { GemmTile } from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { buildDecode } from "../../../src/model/model.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { type OpCase, opCases, runOpCase } from "../_op_cases.ts";

/** https://www.w3.org/TR/webgpu/#limits */
export const LEAST = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBuffersPerShaderStage: 8,
};

const ROW = parseGemm("32x32x16 4x4 staged row");

/** Dispatches of a program on an adapter that allows the least. */
export function dispatchesOf(
  program: Program,
  options: {
    tile?: GemmTile;
    flow?: AttentionFlow;
    precision?: StoredPrecision;
    hasU64?: boolean;
  } = {},
): Dispatch[] {
  const { tile = ROW, flow = "direct", precision = "fp32" } = options;
  const { phases } = lower(program, {
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    gemmVariant: () => ({ ...tile, splitK: 2 }),
    // Forward, none is kept.
    attention: ({ op }) => ({
      flow: flow === "kept" && op === "attention" ? "direct" : flow,
    }),
    precision,
    fuse: true,
    hasU64: options.hasU64,
  });
  return [...phases.values()].flat();
}

/** Training steps that have all ops and all kinds of neighbours. */
export function stepPrograms(): Program[] {
  return ([
    { arch: "gpt2", dropout: 0.2, bias: true, nEmbd: 72, nHead: 3 },
    { arch: "gpt2", dropout: 0.2, bias: false, nEmbd: 66, nHead: 3 },
    { arch: "llama", nEmbd: 64, nHead: 4, nKvHead: 2 },
  ] as const).map((sizes) => {
    const config = tinyConfig({ model: { nLayer: 2, seqLen: 80, ...sizes } });
    const model = resolveModel(config.model, 65);
    return buildStepProgram(model, { ...config.train, gradAccumSteps: 2 });
  });
}

/** One token each, of models small and as wide as a norm's workgroup allows. */
export function decodePrograms(): Program[] {
  return ([
    { arch: "gpt2", bias: true, nEmbd: 72, nHead: 3 },
    { arch: "gpt2", bias: true, nEmbd: 2544, nHead: 2 },
    { arch: "llama", nEmbd: 64, nHead: 4, nKvHead: 2 },
  ] as const).map((sizes) => {
    const { model } = tinyConfig({ model: { nLayer: 1, ...sizes } });
    return plan({
      decode: buildDecode(resolveModel(model, 65), { T: 1, S: 9 }),
    });
  });
}

/** The programs that running these cases compiles. */
export async function opPrograms(
  cases: readonly OpCase[] = opCases,
): Promise<Program[]> {
  const programs: Program[] = [];
  const backend: Pick<Backend, "compile"> = {
    compile(program) {
      programs.push(program);
      return Promise.reject(new Error("noted"));
    },
  };
  for (const one of cases) {
    // Nothing but its compiler is asked for before that has failed.
    await assert.rejects(runOpCase(backend as Backend, one), /noted/);
  }
  return programs;
}
