/**
 * A physical device with the interface of WebGPU's adapters, as far as
 * ../webgpu/ uses it.
 *
 * @module
 */

import { VulkanDevice } from "./device.ts";
import { openLogicalDevice } from "./driver/logical_device.ts";
import type { PhysicalDevice } from "./driver/physical_device.ts";

/**
 * What the kernels of ../webgpu/ count on, as WebGPU promises it; Vulkan's own
 * promises are half of most. Source: https://www.w3.org/TR/webgpu/#limits.
 */
const LEAST: Readonly<Record<string, number>> = {
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 2 ** 14,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
};

/** A driver's device under WebGPU's names. */
export class VulkanAdapter {
  readonly info: Pick<
    GPUAdapterInfo,
    | "vendor"
    | "device"
    | "description"
    | "isFallbackAdapter"
    | "subgroupMinSize"
    | "subgroupMaxSize"
  >;
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly #physical: PhysicalDevice;

  constructor(physical: PhysicalDevice) {
    const { name, kind, vendorId, deviceId, subgroupSizes } = physical;
    this.#physical = physical;
    this.info = {
      vendor: String(vendorId),
      device: String(deviceId),
      description: name,
      isFallbackAdapter: kind === "cpu",
      subgroupMinSize: subgroupSizes[0],
      subgroupMaxSize: subgroupSizes[1],
    };
    this.features = featuresOf(physical);
    this.limits = limitsOf(physical);
  }

  /**
   * Opens it with all that it has, also what is not asked for.
   *
   * @throws {TypeError} If it lacks a feature that is asked for, or is less
   * than the kernels need.
   * @throws {VulkanError} If the driver refuses.
   */
  requestDevice(
    { requiredFeatures = [] }: GPUDeviceDescriptor = {},
  ): Promise<VulkanDevice> {
    return Promise.try(() => {
      const missing = requiredFeatures.filter((one) => !this.features.has(one));
      if (missing.length > 0) {
        throw new TypeError(`${this.info.description} lacks ${missing}`);
      }
      for (const [limit, least] of Object.entries(LEAST)) {
        if (this.limits[limit] >= least) continue;
        throw new TypeError(
          `${limit} is ${this.limits[limit]}, the kernels need ${least}`,
        );
      }
      const device = openLogicalDevice(this.#physical);
      try {
        return new VulkanDevice(device, this);
      } catch (error) {
        // Who takes the next way has the card to itself.
        device.vk.vkDestroyDevice(device.handle, 0n);
        throw error;
      }
    });
  }
}

/** By WebGPU's names; `cooperative-matrix` and `bfloat16` are our own. */
function featuresOf({ features }: PhysicalDevice): Set<string> {
  const names: [name: string, isThere: boolean][] = [
    ["bfloat16", features.bfloat16],
    ["cooperative-matrix", features.cooperativeMatrix],
    ["shader-f16", features.shaderFloat16 && features.storageBuffer16BitAccess],
    ["subgroups", features.hasSubgroups],
    ["timestamp-query", features.timestampBits > 0],
    ["wgpu-shader-int64", features.shaderInt64],
  ];
  return new Set(names.filter(([, there]) => there).map(([name]) => name));
}

function limitsOf({ limits }: PhysicalDevice): Record<string, number> {
  const [x, y, z] = limits.maxWorkgroupSize;
  return {
    // Sizes of buffers are multiples of four.
    maxBufferSize: Math.floor(limits.maxBufferBytes / 4) * 4,
    maxStorageBufferBindingSize: Math.floor(limits.maxStorageBufferRange / 4) *
      4,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffers,
    maxComputeWorkgroupStorageSize: limits.maxSharedMemoryBytes,
    maxComputeInvocationsPerWorkgroup: limits.maxInvocations,
    maxComputeWorkgroupSizeX: x,
    maxComputeWorkgroupSizeY: y,
    maxComputeWorkgroupSizeZ: z,
    maxComputeWorkgroupsPerDimension: Math.min(...limits.maxWorkgroupCount),
    minStorageBufferOffsetAlignment: limits.storageBufferAlignment,
  };
}
