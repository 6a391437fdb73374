/**
 * What llvmpipe forgives: shaders of every op and of whole steps, held to the
 * least that WebGPU promises. No adapter is needed.
 */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import {
  type Dispatch,
  MAX_GROUPS,
} from "../../src/backend/webgpu/dispatch.ts";
import {
  gemmCandidates,
  parseGemm,
} from "../../src/backend/webgpu/gemm/gemm_choice.ts";
import type { GemmTile } from "../../src/backend/webgpu/gemm/gemm_variant.ts";
import { lower } from "../../src/backend/webgpu/lower.ts";
import type { Program } from "../../src/graph/program.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { tinyConfig } from "../train/_helpers.ts";
import { opCases, runOpCase } from "./_op_cases.ts";

/** https://www.w3.org/TR/webgpu/#limits */
const LEAST = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBuffersPerShaderStage: 8,
};

const ROW = parseGemm("32x32x16 4x4 staged row");

/** Dispatches of a program on an adapter that allows the least. */
function dispatchesOf(program: Program, tile: GemmTile = ROW): Dispatch[] {
  const { phases } = lower(program, {
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    gemmVariant: () => ({ ...tile, splitK: 2 }),
    attention: () => ({ flow: "direct" }),
    precision: "fp32",
    fuse: true,
  });
  return [...phases.values()].flat();
}

/** Training steps that have all ops and all kinds of neighbours. */
function steps(): Program[] {
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

/** The programs that running the cases of all ops compiles. */
async function opPrograms(): Promise<Program[]> {
  const programs: Program[] = [];
  const backend: Pick<Backend, "compile"> = {
    compile(program) {
      programs.push(program);
      return Promise.reject(new Error("noted"));
    },
  };
  for (const one of opCases) {
    // Nothing but its compiler is asked for before that has failed.
    await assert.rejects(runOpCase(backend as Backend, one), /noted/);
  }
  return programs;
}

/** Bytes of what is declared `var<workgroup>`. */
function workgroupBytes(code: string): number {
  const vector = /alias V = (\S+);/.exec(code)?.[1] ?? "";
  const bytesOf = (type: string): number => {
    const array = /^array<(.*), (\d+)>$/.exec(type);
    if (array) return bytesOf(array[1]) * Number(array[2]);
    const bytes = { "f32": 4, "vec4<f32>": 16 }[type === "V" ? vector : type];
    if (bytes === undefined) throw new TypeError(`Cannot size "${type}"`);
    return bytes;
  };
  return [...code.matchAll(/var<workgroup> \w+: (.*);/g)]
    .reduce((sum, [, type]) => sum + bytesOf(type), 0);
}

function expectPortable({ label, bindings, code, workgroups }: Dispatch): void {
  assert.ok(
    bindings.length <= LEAST.maxStorageBuffersPerShaderStage,
    `${label} binds ${bindings.map(({ name }) => name).join(", ")}`,
  );
  const threads = Number(/@workgroup_size\((\d+)\)/.exec(code)?.[1]);
  assert.ok(threads <= LEAST.maxComputeInvocationsPerWorkgroup, label);
  const bytes = workgroupBytes(code);
  assert.ok(
    bytes <= LEAST.maxComputeWorkgroupStorageSize,
    `${label} takes ${bytes} bytes of a workgroup`,
  );
  assert.ok(workgroups.every((n) => n > 0 && n <= MAX_GROUPS), label);
  // tanh overflows on some drivers; compilers may take it that nothing is NaN;
  // subgroups have no size that is known here, and atomics no order.
  const forbidden = /\btanh\(|\b(\w+) != \1\b(?!\[)|\bsubgroup|\batomic/;
  assert.equal(forbidden.exec(code)?.[0], undefined, label);
}

Deno.test("shaders of all ops keep to the least that WebGPU promises", async () => {
  for (const program of await opPrograms()) {
    dispatchesOf(program).forEach(expectPortable);
  }
});

Deno.test("shaders of steps keep to the least that WebGPU promises", () => {
  const programs = steps();
  for (const tile of gemmCandidates(LEAST)) {
    for (const program of programs) {
      dispatchesOf(program, tile).forEach(expectPortable);
    }
  }
});
