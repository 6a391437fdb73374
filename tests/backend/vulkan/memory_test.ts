/**
 * From which memory buffers come, on machines of our own: types and heaps as
 * drivers show them (https://vulkan.gpuinfo.org), and how much is left.
 */

import assert from "node:assert/strict";
import { RESULT, VulkanError } from "../../../src/backend/vulkan/api/result.ts";
import {
  MemoryAllocateInfo,
  PhysicalDeviceMemoryBudgetProperties,
  PhysicalDeviceMemoryProperties2,
} from "../../../src/backend/vulkan/api/structs.ts";
import { DeviceMemory } from "../../../src/backend/vulkan/driver/memory.ts";
import type { PhysicalDevice } from "../../../src/backend/vulkan/driver/physical_device.ts";

const LOCAL = 1, VISIBLE = 2, COHERENT = 4, CACHED = 8, OF_AMD = 0x40;
const HOST = VISIBLE | COHERENT;

interface Machine {
  readonly kind: PhysicalDevice["kind"];
  readonly types: readonly (readonly [flags: number, heap: number])[];
  /** Bytes that are left of each heap. */
  readonly left: readonly number[];
  /** The driver tells how much is left before it is asked for. */
  readonly tells: boolean;
}

/** A card, whose memory the host sees a window of. */
const CARD = {
  kind: "discrete",
  types: [
    [LOCAL | OF_AMD, 0],
    [LOCAL, 0],
    [HOST, 1],
    [LOCAL | HOST, 2],
    [HOST | CACHED, 1],
  ],
  left: [1000, 8000, 100],
} as const;

/** An integrated device with a small part of the memory for itself. */
const INTEGRATED = {
  kind: "integrated",
  types: [[LOCAL, 0], [HOST, 1], [LOCAL | HOST, 0], [HOST | CACHED, 1]],
  left: [256, 8000],
} as const;

/** The memory's bytes at an address that the driver is given. */
function viewAt(address: bigint, sizeBytes: number): DataView {
  const place = Deno.UnsafePointer.create(address)!;
  return new DataView(Deno.UnsafePointerView.getArrayBuffer(place, sizeBytes));
}

/** The type that so many bytes come from, or null if there is none. */
function typeFor(
  { kind, types, left, tells }: Machine,
  use: Parameters<DeviceMemory["allocate"]>[0],
  sizeBytes: number,
): number | null {
  let taken = -1;
  const vk = {
    vkGetPhysicalDeviceMemoryProperties2: (_: bigint, address: bigint) => {
      const type = PhysicalDeviceMemoryProperties2;
      const view = viewAt(address, type.sizeBytes);
      type.write(view, 0, {
        memoryTypeCount: types.length,
        memoryTypes: types.map(([propertyFlags, heapIndex]) => ({
          ...{ propertyFlags, heapIndex },
        })),
        memoryHeapCount: left.length,
        memoryHeaps: left.map((size) => ({ size: BigInt(size) })),
      });
      const { pNext } = type.read(view, 0);
      if (!pNext) return;
      const budget = PhysicalDeviceMemoryBudgetProperties;
      budget.write(viewAt(pNext, budget.sizeBytes), 0, {
        heapBudget: left.map(BigInt),
      });
    },
    vkAllocateMemory: (_: bigint, info: bigint) => {
      const { memoryTypeIndex, allocationSize } = MemoryAllocateInfo.read(
        viewAt(info, MemoryAllocateInfo.sizeBytes),
        0,
      );
      const [, heap] = types[memoryTypeIndex];
      if (allocationSize > left[heap]) {
        assert.ok(!tells, "it was told that there is no room");
        return RESULT.ERROR_OUT_OF_DEVICE_MEMORY;
      }
      taken = memoryTypeIndex;
      return RESULT.SUCCESS;
    },
    vkMapMemory: () => RESULT.SUCCESS,
  };
  const physical = {
    ...{ instance: { vk, handle: 1n }, handle: 2n, kind },
    features: { memoryBudget: tells },
  } as unknown as PhysicalDevice;
  const needs = { sizeBytes: BigInt(sizeBytes), typeBits: 0xff };
  try {
    new DeviceMemory(physical, 3n).allocate(use, needs);
    return taken;
  } catch (error) {
    assert.ok(error instanceof VulkanError && error.isOutOfMemory);
    return null;
  }
}

for (const tells of [true, false]) {
  const how = tells ? "a driver that tells what is left" : "other drivers";

  Deno.test(`vulkan: memory of a card, of ${how}`, () => {
    const card = { ...CARD, tells };
    assert.equal(typeFor(card, "device", 1000), 1); // none that asks for more
    assert.equal(typeFor(card, "device", 1001), null); // not the host's
    assert.equal(typeFor(card, "upload", 1001), 2);
    assert.equal(typeFor(card, "readback", 1001), 4);
    assert.equal(typeFor(card, "readback", 8001), null);
  });

  Deno.test(`vulkan: memory of an integrated device, of ${how}`, () => {
    const integrated = { ...INTEGRATED, tells };
    assert.equal(typeFor(integrated, "device", 256), 0);
    assert.equal(typeFor(integrated, "device", 257), 1);
    assert.equal(typeFor(integrated, "device", 8001), null);
    assert.equal(typeFor(integrated, "readback", 100), 3);
  });
}
