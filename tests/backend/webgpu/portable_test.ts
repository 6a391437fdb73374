/**
 * What llvmpipe forgives: shaders of every op and of whole steps, held to the
 * least that WebGPU promises. No adapter is needed.
 */

import assert from "node:assert/strict";
import {
  type Dispatch,
  MAX_GROUPS,
} from "../../../src/backend/webgpu/dispatch.ts";
import { gemmCandidates } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import {
  decodePrograms,
  dispatchesOf,
  LEAST,
  opPrograms,
  stepPrograms,
} from "./_lowered.ts";

/** Bytes of what is declared `var<workgroup>`. */
function workgroupBytes(code: string): number {
  const vector = /alias V = (\S+);/.exec(code)?.[1] ?? "";
  const bytesOf = (type: string): number => {
    const array = /^array<(.*), (\d+)>$/.exec(type);
    if (array) return bytesOf(array[1]) * Number(array[2]);
    const bytes = { "f32": 4, "u32": 4, "vec4<f32>": 16 }[
      type === "V" ? vector : type
    ];
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
  const programs = stepPrograms();
  for (const program of programs) {
    dispatchesOf(program, { flow: "kept" }).forEach(expectPortable);
  }
  for (const tile of gemmCandidates(LEAST)) {
    for (const program of programs) {
      dispatchesOf(program, { tile }).forEach(expectPortable);
    }
  }
});

Deno.test("shaders of a token keep to the least that WebGPU promises", () => {
  for (const program of decodePrograms()) {
    dispatchesOf(program).forEach(expectPortable);
  }
});
