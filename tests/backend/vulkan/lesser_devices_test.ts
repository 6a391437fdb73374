/** Devices that lack what the one here has: they work, or say what is amiss. */

import assert from "node:assert/strict";
import { VulkanAdapter } from "../../../src/backend/vulkan/adapter.ts";
import {
  openInstance,
  physicalDevices,
} from "../../../src/backend/vulkan/driver/instance.ts";
import {
  describeDevice,
  type OptionalFeatures,
  type PhysicalDevice,
} from "../../../src/backend/vulkan/driver/physical_device.ts";
import { noVulkan } from "./_vulkan.ts";

/** The first device, as it would describe itself if it could do less. */
function lesserDevice(
  features: Partial<OptionalFeatures>,
  limits: Partial<PhysicalDevice["limits"]> = {},
): PhysicalDevice {
  const instance = openInstance();
  const known = physicalDevices(instance)
    .map((handle) => describeDevice(instance, handle))
    .find((one) => one !== null)!;
  return {
    ...known,
    features: { ...known.features, ...features },
    limits: { ...known.limits, ...limits },
  };
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `vulkan: ${name}`, ignore: noVulkan, fn });
}

/** A shader's text, and what a device for it must have. */
const ASKS: readonly (readonly [
  what: string,
  without: Partial<OptionalFeatures>,
  code: string,
])[] = [
  ["float16", { shaderFloat16: false }, body("f16(x)", "enable f16;")],
  ["int64", { shaderInt64: false }, body("u32(u64(x) >> 2u)")],
  [
    "groupNonUniformShuffle",
    { hasSubgroups: false },
    body("subgroupShuffleXor(x, 1u)", "enable subgroups;"),
  ],
];

function body(value: string, enable = ""): string {
  return `${enable}
@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  let x = numbers[lane];
  numbers[lane] = f32(${value});
}`;
}

for (const [what, without, code] of ASKS) {
  test(`a shader that needs ${what} is not given to a driver without`, async () => {
    const adapter = new VulkanAdapter(lesserDevice(without));
    const device = await adapter.requestDevice();
    const layout = device.createPipelineLayout({
      bindGroupLayouts: [device.createBindGroupLayout({
        entries: [{
          ...{ binding: 0, visibility: GPUShaderStage.COMPUTE },
          buffer: { type: "storage" },
        }],
      })],
    });
    const module = device.createShaderModule({ label: "some", code });
    const descriptor = { label: "some", layout, compute: { module } };
    const message = new RegExp(
      `^Cannot run shader "some": the device lacks .*${what}`,
    );
    assert.throws(() => device.createComputePipeline(descriptor), { message });
    await assert.rejects(
      device.createComputePipelineAsync(descriptor),
      { message },
    );
    device.destroy();
  });
}
