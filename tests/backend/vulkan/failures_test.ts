/**
 * What is left on a device when the driver refuses something: nothing, whatever
 * it was that was refused. The driver is the real one but for one call.
 */

import assert from "node:assert/strict";
import { VulkanAdapter } from "../../../src/backend/vulkan/adapter.ts";
import { RESULT } from "../../../src/backend/vulkan/api/result.ts";
import type { Vulkan } from "../../../src/backend/vulkan/api/vulkan_library.ts";
import type { VulkanDevice } from "../../../src/backend/vulkan/device.ts";
import {
  openInstance,
  physicalDevices,
} from "../../../src/backend/vulkan/driver/instance.ts";
import { describeDevice } from "../../../src/backend/vulkan/driver/physical_device.ts";
import { noVulkan } from "./_vulkan.ts";

/** Calls that make something, with the one that gives it back. */
const MAKES = {
  vkCreateDevice: "vkDestroyDevice",
  vkCreateSemaphore: "vkDestroySemaphore",
  vkCreateCommandPool: "vkDestroyCommandPool",
  vkCreateBuffer: "vkDestroyBuffer",
  vkAllocateMemory: "vkFreeMemory",
  vkCreateDescriptorSetLayout: "vkDestroyDescriptorSetLayout",
  vkCreateDescriptorPool: "vkDestroyDescriptorPool",
  vkCreatePipelineLayout: "vkDestroyPipelineLayout",
  vkCreateShaderModule: "vkDestroyShaderModule",
  vkCreateComputePipelines: "vkDestroyPipeline",
  createComputePipelinesAside: "vkDestroyPipeline",
  vkCreateQueryPool: "vkDestroyQueryPool",
} as const;

/** Others that a driver may refuse. */
const REFUSABLE = [
  "vkMapMemory",
  "vkBindBufferMemory",
  "vkAllocateDescriptorSets",
  "vkAllocateCommandBuffers",
  "vkBeginCommandBuffer",
  "vkEndCommandBuffer",
  "vkQueueSubmit",
] as const;

type Call = keyof typeof MAKES | typeof REFUSABLE[number];
type AnyCall = (...given: (bigint | number)[]) => number | Promise<number>;

/** The driver, but that it refuses the calls that it is told to. */
class RefusingDriver {
  /** How many calls that may fail there were. */
  calls = 0;
  refused: string | null = null;
  /** What was made and not given back, by the call that would. */
  readonly live = new Map<string, number>();
  /** What lived when its device went. */
  readonly left: string[] = [];
  readonly closed = Promise.withResolvers<void>();
  readonly vk: Vulkan;

  constructor(vk: Vulkan, refuses: (call: Call, n: number) => boolean) {
    const own = { ...vk } as unknown as Record<string, AnyCall>;
    const given = { ...own };
    const isRefused = (call: Call) => {
      if (!refuses(call, this.calls++)) return false;
      this.refused = call;
      return true;
    };
    const failure = RESULT.ERROR_OUT_OF_HOST_MEMORY;
    for (const call of REFUSABLE) {
      own[call] = (...args) => isRefused(call) ? failure : given[call](...args);
    }
    for (const [call, gives] of Object.entries(MAKES)) {
      const count = (result: number) => {
        if (result >= 0) this.#count(gives, 1);
        return result;
      };
      own[call] = (...args) => {
        if (isRefused(call as Call)) {
          const isAside = call.endsWith("Aside");
          return isAside ? Promise.resolve(failure) : failure;
        }
        const result = given[call](...args);
        return typeof result === "number" ? count(result) : result.then(count);
      };
      own[gives] = (...args) => {
        this.#count(gives, -1);
        if (gives === "vkDestroyDevice") this.#close();
        return given[gives](...args);
      };
    }
    this.vk = own as unknown as Vulkan;
  }

  #count(gives: string, change: number): void {
    this.live.set(gives, (this.live.get(gives) ?? 0) + change);
  }

  #close(): void {
    for (const [gives, n] of this.live) {
      if (n !== 0) this.left.push(`${n} for ${gives}`);
    }
    this.closed.resolve();
  }
}

/** The first device, through such a driver. */
function adapterOf(driver: RefusingDriver): VulkanAdapter {
  const instance = openInstance();
  const physical = physicalDevices(instance)
    .map((handle) => describeDevice(instance, handle))
    .find((one) => one !== null)!;
  return new VulkanAdapter({
    ...physical,
    instance: { ...instance, vk: driver.vk },
  });
}

const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
const BYTES = 256;
const CODE = `
@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) { numbers[i] += 1.0; }`;

function layoutOf(device: VulkanDevice) {
  return device.createBindGroupLayout({
    entries: [{
      ...{ binding: 0, visibility: GPUShaderStage.COMPUTE },
      buffer: { type: "storage" },
    }],
  });
}

/** Makes one of everything, and uses it, as far as that goes. */
async function useDevice(device: VulkanDevice): Promise<void> {
  const usage = STORAGE | COPY_DST | COPY_SRC;
  const buffer = device.createBuffer({ size: BYTES, usage });
  const shown = device.createBuffer({
    size: BYTES,
    usage: COPY_DST | MAP_READ,
  });
  const layout = layoutOf(device);
  const group = device.createBindGroup({
    layout,
    entries: [{ binding: 0, resource: { buffer, offset: 0, size: BYTES } }],
  });
  const descriptor = {
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code: CODE }) },
  };
  device.createComputePipeline(descriptor);
  const pipeline = await device.createComputePipelineAsync(descriptor);
  if (device.features.has("timestamp-query")) {
    device.createQuerySet({ type: "timestamp", count: 2 });
  }
  device.queue.writeBuffer(buffer, 0, new Float32Array(BYTES / 4));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, shown, 0, BYTES);
  device.queue.submit([encoder.finish()]);
  await shown.mapAsync(GPUMapMode.READ);
  assert.equal(new Float32Array(shown.getMappedRange())[63], 1);
}

/** Opens a device and uses it. @returns Whether all went well. */
async function openAndUse(driver: RefusingDriver): Promise<boolean> {
  const device = await adapterOf(driver).requestDevice().catch(() => null);
  if (!device) return false;
  const problems: unknown[] = [];
  device.addEventListener("uncapturederror", (event) => problems.push(event));
  await useDevice(device).catch((error) => problems.push(error));
  device.destroy();
  await driver.closed.promise;
  return problems.length === 0;
}

Deno.test({
  name: "vulkan: nothing is left of a device, whichever call is refused",
  ignore: noVulkan,
  async fn() {
    const { vk } = openInstance();
    const refused: string[] = [];
    for (let n = 0;; n++) {
      const driver = new RefusingDriver(vk, (_, call) => call === n);
      const isWell = await openAndUse(driver);
      const what = `after ${driver.refused} was refused (call ${n})`;
      assert.deepEqual(driver.left, [], what);
      assert.ok([...driver.live.values()].every((live) => live === 0), what);
      if (driver.refused === null) {
        assert.ok(isWell);
        break;
      }
      refused.push(driver.refused);
    }
    // Every one of them was refused at least once.
    const { features } = adapterOf(new RefusingDriver(vk, () => false));
    const isThere = (call: string) =>
      call !== "vkCreateQueryPool" || features.has("timestamp-query");
    assert.deepEqual(
      [...new Set(refused)].toSorted(),
      [...Object.keys(MAKES), ...REFUSABLE].filter(isThere).toSorted(),
    );
  },
});

Deno.test({
  name: "vulkan: a pool whose sets are refused is not kept",
  ignore: noVulkan,
  async fn() {
    let refuses = true;
    const driver = new RefusingDriver(
      openInstance().vk,
      (call) => refuses && call === "vkAllocateDescriptorSets",
    );
    const device = await adapterOf(driver).requestDevice();
    const buffer = device.createBuffer({ size: BYTES, usage: STORAGE });
    const layout = layoutOf(device);
    const resource = { buffer, offset: 0, size: BYTES };
    const entries = [{ binding: 0, resource }];
    const message = "vkAllocateDescriptorSets: VK_ERROR_OUT_OF_HOST_MEMORY";
    for (let i = 0; i < 3; i++) {
      assert.throws(() => device.createBindGroup({ layout, entries }), {
        message,
      });
      assert.equal(driver.live.get("vkDestroyDescriptorPool"), 0);
      assert.equal(layout.poolCount, 0);
    }
    refuses = false;
    device.createBindGroup({ layout, entries });
    assert.equal(layout.poolCount, 1);
    device.destroy();
    await driver.closed.promise;
    assert.deepEqual(driver.left, []);
  },
});
