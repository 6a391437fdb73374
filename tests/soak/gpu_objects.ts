/**
 * Counts the GPU objects of this process, WebGPU's and those of the Vulkan
 * driver, by watching who makes them.
 *
 * @module
 */

import { VulkanBuffer } from "../../src/backend/vulkan/buffer.ts";
import { VulkanDevice } from "../../src/backend/vulkan/device.ts";

/** How many of a kind were made, and for buffers how many are left. */
export interface GpuObjects {
  /** Made and not destroyed. */
  readonly buffers: number;
  readonly buffersMade: number;
  readonly bindGroups: number;
  readonly shaders: number;
  readonly pipelines: number;
}

/** Begins to count; to be called before a device is opened. */
export function watchGpuObjects(): () => GpuObjects {
  const made = new Map<string, number>();
  const count = (name: string) => made.set(name, (made.get(name) ?? 0) + 1);
  const watch = (prototype: object, name: string) => {
    const methods = prototype as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    const method = methods[name];
    methods[name] = function (...args) {
      count(name);
      return method.apply(this, args);
    };
  };
  for (const { prototype } of [GPUDevice, VulkanDevice]) {
    watch(prototype, "createBuffer");
    watch(prototype, "createBindGroup");
    watch(prototype, "createShaderModule");
    watch(prototype, "createComputePipeline");
  }
  for (const { prototype } of [GPUBuffer, VulkanBuffer]) {
    watch(prototype, "destroy");
  }
  const of = (name: string) => made.get(name) ?? 0;
  return () => ({
    buffers: of("createBuffer") - of("destroy"),
    buffersMade: of("createBuffer"),
    bindGroups: of("createBindGroup"),
    shaders: of("createShaderModule"),
    pipelines: of("createComputePipeline"),
  });
}
