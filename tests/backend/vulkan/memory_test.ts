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
import {
  DeviceMemory,
  memoryBytesOf,
} from "../../../src/backend/vulkan/driver/memory.ts";
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

/** What a driver does when it is asked. */
interface Answers {
  /** Bytes of each heap that are in use, besides what is left. */
  used?: readonly number[];
  /** Of each allocation, in place of one that goes well. */
  allocated?: number;
  mapped?: number;
}

/** A driver of such a machine, and the calls that it got. */
function driverOf(
  { kind, types, left, tells }: Machine,
  { used = left.map(() => 0), allocated, mapped = RESULT.SUCCESS }: Answers =
    {},
) {
  const calls: string[] = [];
  const budgets = left.map((size, heap) => BigInt(size + used[heap]));
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
        memoryHeaps: budgets.map((size) => ({ size })),
      });
      const { pNext } = type.read(view, 0);
      if (!pNext) return;
      const budget = PhysicalDeviceMemoryBudgetProperties;
      budget.write(viewAt(pNext, budget.sizeBytes), 0, {
        heapBudget: budgets,
        heapUsage: used.map(BigInt),
      });
    },
    vkAllocateMemory: (...[, info, , result]: bigint[]) => {
      const { memoryTypeIndex, allocationSize } = MemoryAllocateInfo.read(
        viewAt(info, MemoryAllocateInfo.sizeBytes),
        0,
      );
      const [, heap] = types[memoryTypeIndex];
      if (allocationSize > left[heap]) {
        assert.ok(!tells, "it was told that there is no room");
        return RESULT.ERROR_OUT_OF_DEVICE_MEMORY;
      }
      calls.push(`allocate ${allocationSize} of ${memoryTypeIndex}`);
      if (allocated !== undefined) return allocated;
      viewAt(result, 8).setBigUint64(0, 70n, true);
      return RESULT.SUCCESS;
    },
    vkMapMemory: (...[, memory, offset, size, , result]: bigint[]) => {
      calls.push(`map ${offset} to ${size} of ${memory}`);
      viewAt(result, 8).setBigUint64(0, 4096n, true);
      return mapped;
    },
    vkFreeMemory: (_: bigint, memory: bigint) =>
      void calls.push(`free ${memory}`),
  };
  const physical = {
    ...{ instance: { vk, handle: 1n }, handle: 2n, kind },
    features: { memoryBudget: tells },
  } as unknown as PhysicalDevice;
  return { calls, physical, memory: new DeviceMemory(physical, 3n) };
}

/** The type that so many bytes come from, or null if there is none. */
function typeFor(
  machine: Machine,
  use: Parameters<DeviceMemory["allocate"]>[0],
  sizeBytes: number,
  { typeBits = 0xff, ...answers }: Answers & { typeBits?: number } = {},
): number | null {
  const { calls, memory } = driverOf(machine, answers);
  const needs = { sizeBytes: BigInt(sizeBytes), typeBits };
  try {
    memory.allocate(use, needs);
    return Number(calls[0].split(" of ")[1]);
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
    // Of those that the buffer may have, and what others leave.
    assert.equal(typeFor(card, "readback", 100, { typeBits: 0b1100 }), 2);
    assert.equal(typeFor(card, "device", 100, { typeBits: 0b10100 }), null);
    const used = [9000, 0, 0];
    assert.equal(typeFor(card, "device", 1000, { used }), 1);
    assert.equal(typeFor(card, "device", 1001, { used }), null);
  });

  Deno.test(`vulkan: memory of an integrated device, of ${how}`, () => {
    const integrated = { ...INTEGRATED, tells };
    assert.equal(typeFor(integrated, "device", 256), 0);
    assert.equal(typeFor(integrated, "device", 257), 1);
    assert.equal(typeFor(integrated, "device", 8001), null);
    assert.equal(typeFor(integrated, "readback", 100), 3);
  });
}

Deno.test("vulkan: only memory that the host uses is mapped, all of it", () => {
  const { calls, memory } = driverOf({ ...CARD, tells: true });
  const needs = { sizeBytes: 96n, typeBits: 0xff };
  assert.deepEqual(memory.allocate("device", needs), {
    handle: 70n,
    address: null,
  });
  const readback = memory.allocate("readback", needs);
  assert.deepEqual(readback, { handle: 70n, address: 4096n });
  memory.free(readback);
  assert.deepEqual(calls, [
    "allocate 96 of 1",
    "allocate 96 of 4",
    "map 0 to 96 of 70",
    "free 70",
  ]);
});

Deno.test("vulkan: memory that cannot be mapped is given back", () => {
  const { calls, memory } = driverOf({ ...CARD, tells: true }, {
    mapped: RESULT.ERROR_DEVICE_LOST,
  });
  assert.throws(
    () => memory.allocate("readback", { sizeBytes: 96n, typeBits: 0xff }),
    (error) => error instanceof VulkanError && !error.isOutOfMemory,
  );
  assert.deepEqual(calls.slice(1), ["map 0 to 96 of 70", "free 70"]);
});

Deno.test("vulkan: a lost device is not asked for other memory", () => {
  const { calls, memory } = driverOf({ ...INTEGRATED, tells: false }, {
    allocated: RESULT.ERROR_DEVICE_LOST,
  });
  assert.throws(
    () => memory.allocate("device", { sizeBytes: 96n, typeBits: 0xff }),
    (error) => error instanceof VulkanError && !error.isOutOfMemory,
  );
  assert.equal(calls.length, 1);
});

Deno.test("vulkan: memoryBytesOf() is the largest heap of the device's own", () => {
  const bytes = (machine: Omit<Machine, "tells">) =>
    memoryBytesOf(driverOf({ ...machine, tells: false }).physical);
  assert.equal(bytes({ ...CARD, left: [1000, 8000, 4000] }), 4000);
  assert.equal(bytes(INTEGRATED), 256);
  assert.equal(bytes({ ...CARD, types: [[HOST, 1]] }), 0);
});
