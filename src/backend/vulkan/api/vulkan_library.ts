/**
 * The functions of the system's Vulkan loader that are used here.
 *
 * Every handle is passed as a 64-bit number, a pointer or not: the ABIs of all
 * 64-bit systems pass both alike. What Vulkan 1.2 has, a loader exports itself.
 *
 * @module
 */

import { loadProblem } from "../../../base/load_problem.ts";

/** A handle, an address, or a number of 64 bits. */
const u64 = "u64", u32 = "u32";
/** VkResult. */
const RESULT = "i32", NOTHING = "void";

const SYMBOLS = {
  vkGetInstanceProcAddr: { parameters: [u64, u64], result: "pointer" },
  vkCreateInstance: { parameters: [u64, u64, u64], result: RESULT },
  vkEnumeratePhysicalDevices: { parameters: [u64, u64, u64], result: RESULT },
  vkGetPhysicalDeviceProperties2: { parameters: [u64, u64], result: NOTHING },
  vkGetPhysicalDeviceFeatures2: { parameters: [u64, u64], result: NOTHING },
  vkGetPhysicalDeviceMemoryProperties2: {
    parameters: [u64, u64],
    result: NOTHING,
  },
  vkGetPhysicalDeviceQueueFamilyProperties: {
    parameters: [u64, u64, u64],
    result: NOTHING,
  },
  vkEnumerateDeviceExtensionProperties: {
    parameters: [u64, u64, u64, u64],
    result: RESULT,
  },
  vkCreateDevice: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyDevice: { parameters: [u64, u64], result: NOTHING },
  vkDeviceWaitIdle: { parameters: [u64], result: RESULT },
  vkGetDeviceQueue: { parameters: [u64, u32, u32, u64], result: NOTHING },

  vkCreateBuffer: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyBuffer: { parameters: [u64, u64, u64], result: NOTHING },
  vkGetBufferMemoryRequirements: {
    parameters: [u64, u64, u64],
    result: NOTHING,
  },
  vkAllocateMemory: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkFreeMemory: { parameters: [u64, u64, u64], result: NOTHING },
  vkBindBufferMemory: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkMapMemory: {
    parameters: [u64, u64, u64, u64, u32, u64],
    result: RESULT,
  },

  vkCreateShaderModule: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyShaderModule: { parameters: [u64, u64, u64], result: NOTHING },
  vkCreateDescriptorSetLayout: {
    parameters: [u64, u64, u64, u64],
    result: RESULT,
  },
  vkDestroyDescriptorSetLayout: {
    parameters: [u64, u64, u64],
    result: NOTHING,
  },
  vkCreatePipelineLayout: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyPipelineLayout: { parameters: [u64, u64, u64], result: NOTHING },
  vkCreateComputePipelines: {
    parameters: [u64, u64, u32, u64, u64, u64],
    result: RESULT,
  },
  /** The same in a thread of its own, while this one goes on. */
  createComputePipelinesAside: {
    name: "vkCreateComputePipelines",
    parameters: [u64, u64, u32, u64, u64, u64],
    result: RESULT,
    nonblocking: true,
  },
  vkDestroyPipeline: { parameters: [u64, u64, u64], result: NOTHING },
  vkCreateDescriptorPool: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyDescriptorPool: { parameters: [u64, u64, u64], result: NOTHING },
  vkAllocateDescriptorSets: { parameters: [u64, u64, u64], result: RESULT },
  vkUpdateDescriptorSets: {
    parameters: [u64, u32, u64, u32, u64],
    result: NOTHING,
  },

  vkCreateCommandPool: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyCommandPool: { parameters: [u64, u64, u64], result: NOTHING },
  vkAllocateCommandBuffers: { parameters: [u64, u64, u64], result: RESULT },
  vkBeginCommandBuffer: { parameters: [u64, u64], result: RESULT },
  vkEndCommandBuffer: { parameters: [u64], result: RESULT },
  vkCmdBindPipeline: { parameters: [u64, u32, u64], result: NOTHING },
  vkCmdBindDescriptorSets: {
    parameters: [u64, u32, u64, u32, u32, u64, u32, u64],
    result: NOTHING,
  },
  vkCmdDispatch: { parameters: [u64, u32, u32, u32], result: NOTHING },
  vkCmdCopyBuffer: { parameters: [u64, u64, u64, u32, u64], result: NOTHING },
  vkCmdFillBuffer: { parameters: [u64, u64, u64, u64, u32], result: NOTHING },
  vkCmdPipelineBarrier: {
    parameters: [u64, u32, u32, u32, u32, u64, u32, u64, u32, u64],
    result: NOTHING,
  },
  vkCmdResetQueryPool: { parameters: [u64, u64, u32, u32], result: NOTHING },
  vkCmdWriteTimestamp: { parameters: [u64, u32, u64, u32], result: NOTHING },
  vkCmdCopyQueryPoolResults: {
    parameters: [u64, u64, u32, u32, u64, u64, u64, u32],
    result: NOTHING,
  },
  vkCreateQueryPool: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroyQueryPool: { parameters: [u64, u64, u64], result: NOTHING },

  vkQueueSubmit: { parameters: [u64, u32, u64, u64], result: RESULT },
  vkCreateSemaphore: { parameters: [u64, u64, u64, u64], result: RESULT },
  vkDestroySemaphore: { parameters: [u64, u64, u64], result: NOTHING },
  vkGetSemaphoreCounterValue: { parameters: [u64, u64, u64], result: RESULT },
  vkWaitSemaphores: { parameters: [u64, u64, u64], result: RESULT },
  /** In a thread of its own too. */
  waitSemaphoresAside: {
    name: "vkWaitSemaphores",
    parameters: [u64, u64, u64],
    result: RESULT,
    nonblocking: true,
  },
} as const;

/** The functions, ready to be called. */
export type Vulkan = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Names of the loader; macOS has none of its own, and Metal through WebGPU. */
const LOADERS: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libvulkan.so.1",
  windows: "vulkan-1.dll",
};

/**
 * Loads the loader, which loads no driver yet.
 *
 * @throws {Error} If it is not there, or too old.
 */
export function loadVulkan(): Vulkan {
  const name = LOADERS[Deno.build.os];
  if (!name) throw new Error(`there is no Vulkan on ${Deno.build.os}`);
  try {
    return Deno.dlopen(name, SYMBOLS).symbols;
  } catch (cause) {
    throw new Error(`${name} cannot be loaded: ${loadProblem(cause)}`, {
      cause,
    });
  }
}
