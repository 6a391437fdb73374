/**
 * The memory that buffers lie in.
 *
 * Every buffer has an allocation of its own: a program has few of them, as its
 * tensors are placed within (../../webgpu/loading/memory_plan.ts).
 *
 * @module
 */

import {
  MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
  MEMORY_PROPERTY_HOST_CACHED_BIT,
  MEMORY_PROPERTY_HOST_COHERENT_BIT,
  MEMORY_PROPERTY_HOST_VISIBLE_BIT,
} from "../api/constants.ts";
import { scratch } from "../api/native_memory.ts";
import { check, RESULT, VulkanError } from "../api/result.ts";
import {
  MemoryAllocateInfo,
  PhysicalDeviceMemoryBudgetProperties,
  PhysicalDeviceMemoryProperties2,
} from "../api/structs.ts";
import type { PhysicalDevice } from "./physical_device.ts";

/** Who works with the memory: the device alone, or the host as well. */
export type MemoryUse = "device" | "upload" | "readback";

/** What a buffer asks of its memory. */
export interface MemoryNeeds {
  readonly sizeBytes: bigint;
  /** A bit for each type that will do. */
  readonly typeBits: number;
}

/** An allocation. */
export interface Allocation {
  readonly handle: bigint;
  /** Where the host sees it; null if it does not. */
  readonly address: bigint | null;
}

const HOST = MEMORY_PROPERTY_HOST_VISIBLE_BIT |
  MEMORY_PROPERTY_HOST_COHERENT_BIT;

/** Of other properties than these, memory may ask for features. */
const PLAIN = HOST | MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
  MEMORY_PROPERTY_HOST_CACHED_BIT;

/** Properties that are looked for, the best first. */
const WISHES: Readonly<Record<MemoryUse, readonly number[]>> = {
  device: [MEMORY_PROPERTY_DEVICE_LOCAL_BIT],
  // Written once from start to end, which needs no cache.
  upload: [HOST],
  readback: [HOST | MEMORY_PROPERTY_HOST_CACHED_BIT, HOST],
};

/** Allocates and frees. */
export class DeviceMemory {
  readonly #physical: PhysicalDevice;
  readonly #device: bigint;
  readonly #types: readonly { flags: number; heap: number }[];

  constructor(physical: PhysicalDevice, device: bigint) {
    this.#physical = physical;
    this.#device = device;
    this.#types = readMemory(physical).types;
  }

  /** @throws {VulkanError} If there is none. */
  allocate(use: MemoryUse, { sizeBytes, typeBits }: MemoryNeeds): Allocation {
    for (const type of this.#typesFor(use, typeBits)) {
      if (!this.#hasRoom(this.#types[type].heap, sizeBytes)) continue;
      try {
        return this.#allocateFrom(type, { use, sizeBytes });
      } catch (error) {
        if (!(error instanceof VulkanError && error.isOutOfMemory)) throw error;
      }
    }
    throw new VulkanError(
      RESULT.ERROR_OUT_OF_DEVICE_MEMORY,
      "vkAllocateMemory",
    );
  }

  /**
   * The types that will do, the best first. What an integrated device calls
   * its own may be a small part of the memory that it shares with the host;
   * a card would read the host's at a crawl.
   */
  #typesFor(use: MemoryUse, typeBits: number): number[] {
    const { kind } = this.#physical;
    const wishes = use === "device" && kind === "integrated"
      ? [...WISHES[use], 0]
      : WISHES[use];
    const fitting = wishes.flatMap((wish) =>
      this.#types.flatMap(({ flags }, i) =>
        typeBits & (1 << i) && (flags & wish) === wish && !(flags & ~PLAIN)
          ? [i]
          : []
      )
    );
    return [...new Set(fitting)];
  }

  #allocateFrom(
    type: number,
    { use, sizeBytes }: { use: MemoryUse; sizeBytes: bigint },
  ): Allocation {
    const { instance: { vk } } = this.#physical;
    return scratch.during(() => {
      const result = scratch.take(8);
      const info = scratch.write(MemoryAllocateInfo, {
        allocationSize: sizeBytes,
        memoryTypeIndex: type,
      });
      check(
        vk.vkAllocateMemory(this.#device, info, 0n, result),
        "vkAllocateMemory",
      );
      const handle = scratch.readHandle(result);
      if (use === "device") return { handle, address: null };
      const mapped = vk.vkMapMemory(
        ...[this.#device, handle, 0n, sizeBytes, 0, result] as const,
      );
      if (mapped < 0) vk.vkFreeMemory(this.#device, handle, 0n);
      check(mapped, "vkMapMemory");
      return { handle, address: scratch.readHandle(result) };
    });
  }

  /** Also ends its mapping. */
  free({ handle }: Allocation): void {
    this.#physical.instance.vk.vkFreeMemory(this.#device, handle, 0n);
  }

  /**
   * Whether other programs, too, leave that much. A driver that is asked for
   * more may give it all the same, and then moves memory to and fro.
   */
  #hasRoom(heap: number, sizeBytes: bigint): boolean {
    if (!this.#physical.features.memoryBudget) return true;
    const { budgets, usages } = readMemory(this.#physical);
    return budgets[heap] === 0n ||
      usages[heap] + sizeBytes <= budgets[heap];
  }
}

/** Bytes of the largest heap of the device's own, for people. */
export function memoryBytesOf(physical: PhysicalDevice): number {
  const { types, heaps } = readMemory(physical);
  const own = types
    .filter(({ flags }) => flags & MEMORY_PROPERTY_DEVICE_LOCAL_BIT)
    .map(({ heap }) => Number(heaps[heap]));
  return Math.max(0, ...own);
}

/** Types and heaps, and how full these are where the driver tells. */
function readMemory({ instance, handle, features }: PhysicalDevice) {
  return scratch.during(() => {
    const budget = scratch.write(PhysicalDeviceMemoryBudgetProperties, {});
    const all = scratch.write(PhysicalDeviceMemoryProperties2, {
      pNext: features.memoryBudget ? budget : 0n,
    });
    instance.vk.vkGetPhysicalDeviceMemoryProperties2(handle, all);
    const { memoryTypes, memoryTypeCount, memoryHeaps } = scratch.read(
      PhysicalDeviceMemoryProperties2,
      all,
    );
    const { heapBudget, heapUsage } = scratch.read(
      PhysicalDeviceMemoryBudgetProperties,
      budget,
    );
    return {
      types: memoryTypes.slice(0, memoryTypeCount)
        .map(({ propertyFlags, heapIndex }) => ({
          flags: propertyFlags!,
          heap: heapIndex!,
        })),
      heaps: memoryHeaps.map(({ size }) => size!),
      budgets: heapBudget,
      usages: heapUsage,
    };
  });
}
