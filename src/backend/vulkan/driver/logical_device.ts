/**
 * A physical device that is open, with one queue and all its features that
 * shaders make use of.
 *
 * @module
 */

import { scratch } from "../api/native_memory.ts";
import { check } from "../api/result.ts";
import {
  DeviceCreateInfo,
  DeviceQueueCreateInfo,
  PhysicalDeviceCooperativeMatrixFeatures,
  PhysicalDeviceFeatures2,
  PhysicalDeviceShaderBfloat16Features,
  PhysicalDeviceVulkan11Features,
  PhysicalDeviceVulkan12Features,
  PhysicalDeviceVulkan13Features,
} from "../api/structs.ts";
import type { Vulkan } from "../api/vulkan_library.ts";
import { EXTENSIONS } from "./extensions.ts";
import { DeviceMemory } from "./memory.ts";
import type { PhysicalDevice } from "./physical_device.ts";

/** What all objects of a device work with. */
export interface LogicalDevice {
  readonly vk: Vulkan;
  readonly handle: bigint;
  readonly queue: bigint;
  readonly physical: PhysicalDevice;
  readonly memory: DeviceMemory;
}

/**
 * Opens a device.
 *
 * @throws {VulkanError} If the driver refuses.
 */
export function openLogicalDevice(physical: PhysicalDevice): LogicalDevice {
  const { instance: { vk }, features } = physical;
  return scratch.during(() => {
    const priority = scratch.writeWords(
      new Uint32Array(Float32Array.of(1).buffer),
    );
    const names = Object.entries(EXTENSIONS)
      .filter(([feature]) => features[feature as keyof typeof EXTENSIONS])
      .map(([, name]) => scratch.writeText(name));
    const device = scratch.take(8);
    const info = scratch.write(DeviceCreateInfo, {
      pNext: wantedFeatures(physical),
      queueCreateInfoCount: 1,
      pQueueCreateInfos: scratch.write(DeviceQueueCreateInfo, {
        queueFamilyIndex: physical.queueFamily,
        queueCount: 1,
        pQueuePriorities: priority,
      }),
      enabledExtensionCount: names.length,
      ppEnabledExtensionNames: scratch.writeHandles(names),
    });
    check(
      vk.vkCreateDevice(physical.handle, info, 0n, device),
      "vkCreateDevice",
    );
    const handle = scratch.readHandle(device);
    const queue = scratch.take(8);
    vk.vkGetDeviceQueue(handle, physical.queueFamily, 0, queue);
    return {
      vk,
      handle,
      queue: scratch.readHandle(queue),
      physical,
      memory: new DeviceMemory(physical, handle),
    };
  });
}

/** Writes the chain of features. @returns Its address. */
function wantedFeatures({ features }: PhysicalDevice): bigint {
  const bit = (feature: boolean) => Number(feature);
  const bfloat16 = !features.bfloat16
    ? 0n
    : scratch.write(PhysicalDeviceShaderBfloat16Features, {
      shaderBFloat16Type: 1,
      shaderBFloat16CooperativeMatrix: bit(features.bfloat16Matrix),
    });
  const matrix = !features.cooperativeMatrix
    ? bfloat16
    : scratch.write(PhysicalDeviceCooperativeMatrixFeatures, {
      pNext: bfloat16,
      cooperativeMatrix: 1,
    });
  const f13 = scratch.write(PhysicalDeviceVulkan13Features, {
    pNext: matrix,
    subgroupSizeControl: bit(features.subgroupSizeControl),
    computeFullSubgroups: bit(features.computeFullSubgroups),
    maintenance4: 1,
  });
  const f12 = scratch.write(PhysicalDeviceVulkan12Features, {
    pNext: f13,
    shaderFloat16: bit(features.shaderFloat16),
    timelineSemaphore: 1,
    vulkanMemoryModel: bit(features.vulkanMemoryModel),
    vulkanMemoryModelDeviceScope: bit(features.vulkanMemoryModelDeviceScope),
  });
  const f11 = scratch.write(PhysicalDeviceVulkan11Features, {
    pNext: f12,
    storageBuffer16BitAccess: bit(features.storageBuffer16BitAccess),
  });
  return scratch.write(PhysicalDeviceFeatures2, {
    pNext: f11,
    shaderInt64: bit(features.shaderInt64),
    shaderInt16: bit(features.shaderInt16),
  });
}
