/** How numbers become two bytes in shaders, by the bit. */

import assert from "node:assert/strict";
import type { FoundAdapter } from "../../../src/backend/webgpu/device/adapters.ts";
import { bfloatFunctions } from "../../../src/backend/webgpu/shader/bfloat.ts";
import {
  packing,
  unpacking,
} from "../../../src/backend/webgpu/shader/two_byte_access.ts";
import { testVulkan } from "../vulkan/_vulkan.ts";
import { rounded } from "./_matrix_units.ts";
import { testAdapter } from "./_webgpu.ts";

/** Ties, the largest and smallest of both types, and what is no number. */
const NUMBERS = Float32Array.of(
  ...[0, -0, 1, -1.5, Math.PI, -1e-8, 3e-8, 6e-8],
  // Halfway between two of bf16, then of f16: the even one of both.
  ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -11, 1 + 3 * 2 ** -11],
  ...[1 + 2 ** -8 + 2 ** -20, -(1 + 2 ** -11 + 2 ** -20), 2 ** -24, 2 ** -25],
  ...[65504, 65519, 65520, -7e4, 1e30, -3e38, 2 ** -126, 2 ** -140],
  ...[3.3895314e38, Infinity, -Infinity, NaN],
);

/**
 * What one shader packs and another unpacks. In a single one a compiler may
 * leave out both: Mesa 26 does, of f16.
 */
async function packedBy(
  { request }: FoundAdapter,
  scalar: "bf16" | "f16",
): Promise<Float32Array> {
  const adapter = await request();
  const device = await adapter!.requestDevice({
    requiredFeatures: scalar === "f16" ? ["shader-f16"] : [],
  });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
    GPUBufferUsage.COPY_DST;
  const size = NUMBERS.byteLength;
  const numbers = device.createBuffer({ size, usage });
  const pairs = device.createBuffer({ size: size / 2, usage });
  const answer = device.createBuffer({
    ...{ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST },
  });
  device.queue.writeBuffer(numbers, 0, NUMBERS);
  const layout = device.createBindGroupLayout({
    entries: [0, 1].map((binding) => ({
      ...{ binding, visibility: GPUShaderStage.COMPUTE },
      buffer: { type: "storage" },
    })),
  });
  const group = device.createBindGroup({
    layout,
    entries: [numbers, pairs].map((buffer, binding) => ({
      ...{ binding, resource: { buffer } },
    })),
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (
    const [functions, line] of [
      [packing("packed", scalar), "pairs[i] = packed(numbers[i]);"],
      [unpacking("unpacked", scalar), "numbers[i] = unpacked(pairs[i]);"],
    ]
  ) {
    const code = `${scalar === "f16" ? "enable f16;\n" : ""}
@group(0) @binding(0) var<storage, read_write> numbers: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2<u32>>;
${bfloatFunctions(functions)}${functions}
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
  let i = group.x;
  ${line}
}`;
    pass.setPipeline(device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: device.createShaderModule({ code }),
        entryPoint: "main",
      },
    }));
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(NUMBERS.length / 4);
  }
  pass.end();
  encoder.copyBufferToBuffer(numbers, 0, answer, 0, size);
  device.queue.submit([encoder.finish()]);
  await answer.mapAsync(GPUMapMode.READ);
  const got = new Float32Array(answer.getMappedRange().slice(0));
  device.destroy();
  return got;
}

/** Products of f16 on matrix units are Vulkan's alone. */
const CASES = [
  ["WebGPU", testAdapter, "bf16"],
  ["Vulkan", testVulkan, "bf16"],
  ["Vulkan", testVulkan, "f16"],
] as const;

for (const [driver, adapter, scalar] of CASES) {
  const lacks = !adapter ||
    (scalar === "f16" && !adapter.info.features.includes("shader-f16"));
  Deno.test(`packing() rounds to ${scalar} as a CPU does: ${driver}`, {
    ignore: lacks,
  }, async () => {
    const got = await packedBy(adapter, scalar);
    NUMBERS.forEach((number, i) => {
      const one = Float32Array.of(number);
      // What is no finite number stays what it is, to be noticed.
      const want = Number.isFinite(number)
        ? rounded(one, { M: 8, N: 8, K: 8, scalar, lanes: 8 })[0]
        : number;
      assert.ok(
        Object.is(got[i], want) || got[i] === want && want === 0,
        `${number} is ${got[i]}, expected ${want}`,
      );
    });
  });
}
