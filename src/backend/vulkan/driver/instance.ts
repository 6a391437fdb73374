/**
 * The process's one connection to the Vulkan drivers, and the physical devices
 * that they show: all of them, also the second of two equal cards.
 *
 * @module
 */

import { API_VERSION_1_3 } from "../api/constants.ts";
import { NativeMemory, scratch } from "../api/native_memory.ts";
import { check, RESULT } from "../api/result.ts";
import { ApplicationInfo, InstanceCreateInfo } from "../api/structs.ts";
import { loadVulkan, type Vulkan } from "../api/vulkan_library.ts";

/** An instance; it lives as long as the process. */
export interface Instance {
  readonly vk: Vulkan;
  readonly handle: bigint;
}

let opened: Instance | null = null;

/**
 * The instance of this process, made at the first call.
 *
 * @throws {Error} If there is no loader, or it refuses.
 */
export function openInstance(): Instance {
  return opened ??= createInstance(loadVulkan());
}

function createInstance(vk: Vulkan): Instance {
  return scratch.during(() => {
    const handle = scratch.take(8);
    const result = vk.vkCreateInstance(
      scratch.write(InstanceCreateInfo, {
        pApplicationInfo: scratch.write(ApplicationInfo, {
          pApplicationName: scratch.writeText("hearth"),
          apiVersion: API_VERSION_1_3,
        }),
      }),
      0n,
      handle,
    );
    if (result === RESULT.ERROR_INCOMPATIBLE_DRIVER) {
      throw new Error("no Vulkan driver is installed that can be loaded");
    }
    check(result, "vkCreateInstance");
    return { vk, handle: scratch.readHandle(handle) };
  });
}

/**
 * Handles of all physical devices, in the drivers' order.
 *
 * @throws {VulkanError} If the drivers cannot tell.
 */
export function physicalDevices({ vk, handle }: Instance): bigint[] {
  const list = (count: bigint, handles: bigint) => {
    const result = vk.vkEnumeratePhysicalDevices(handle, count, handles);
    // A loader without a driver says so as an error.
    if (result === RESULT.ERROR_INITIALIZATION_FAILED) return false;
    check(result, "vkEnumeratePhysicalDevices");
    return true;
  };
  return scratch.during(() => {
    const count = scratch.take(8);
    if (!list(count, 0n)) return [];
    const room = scratch.readU32(count);
    if (room === 0) return [];
    const memory = new NativeMemory(8 * room);
    if (!list(count, memory.address)) return [];
    return Array.from(
      { length: Math.min(room, scratch.readU32(count)) },
      (_, i) => memory.readHandle(memory.address + BigInt(8 * i)),
    );
  });
}
