/**
 * A buffer with WebGPU's interface.
 *
 * @module
 */

import {
  BUFFER_USAGE_STORAGE_BUFFER_BIT,
  BUFFER_USAGE_TRANSFER_DST_BIT,
  BUFFER_USAGE_TRANSFER_SRC_BIT,
} from "./api/constants.ts";
import { scratch } from "./api/native_memory.ts";
import { check } from "./api/result.ts";
import { BufferCreateInfo, MemoryRequirements } from "./api/structs.ts";
import { RangeLog } from "./commands/hazards.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import type { Allocation, MemoryUse } from "./driver/memory.ts";
import { DeviceError } from "./error_scopes.ts";
import type { Timeline } from "./timeline.ts";

/** A buffer of the driver with its memory. */
export interface RawBuffer {
  readonly handle: bigint;
  readonly allocation: Allocation;
}

/**
 * Makes a buffer.
 *
 * @throws {VulkanError} If there is no memory.
 */
export function createRawBuffer(
  device: LogicalDevice,
  { sizeBytes, use }: { sizeBytes: number; use: MemoryUse },
): RawBuffer {
  const { vk } = device;
  return scratch.during(() => {
    const result = scratch.take(8);
    const info = scratch.write(BufferCreateInfo, {
      size: BigInt(sizeBytes),
      usage: BUFFER_USAGE_TRANSFER_SRC_BIT | BUFFER_USAGE_TRANSFER_DST_BIT |
        BUFFER_USAGE_STORAGE_BUFFER_BIT,
    });
    check(
      vk.vkCreateBuffer(device.handle, info, 0n, result),
      "vkCreateBuffer",
    );
    const handle = scratch.readHandle(result);
    const needs = scratch.write(MemoryRequirements, {});
    vk.vkGetBufferMemoryRequirements(device.handle, handle, needs);
    const { size, memoryTypeBits } = scratch.read(MemoryRequirements, needs);
    let allocation: Allocation | null = null;
    try {
      const wanted = { sizeBytes: size, typeBits: memoryTypeBits };
      allocation = device.memory.allocate(use, wanted);
      check(
        vk.vkBindBufferMemory(device.handle, handle, allocation.handle, 0n),
        "vkBindBufferMemory",
      );
      return { handle, allocation };
    } catch (error) {
      if (allocation) device.memory.free(allocation);
      vk.vkDestroyBuffer(device.handle, handle, 0n);
      throw error;
    }
  });
}

/** Frees a buffer that the device has no use for any more. */
export function freeRawBuffer(
  { vk, handle: device, memory }: LogicalDevice,
  { handle, allocation }: RawBuffer,
): void {
  vk.vkDestroyBuffer(device, handle, 0n);
  memory.free(allocation);
}

/** What is of no use without the buffer. */
export interface BufferUser {
  /** The buffer is gone, and the device done with it. */
  release(): void;
}

/** What a buffer's owner does for it. */
export interface BufferOwner {
  readonly timeline: Timeline;
  /** Tells of a mistake. */
  report(error: unknown): void;
  /** The buffer's content is not needed any more. */
  onDestroy(buffer: VulkanBuffer): void;
}

type UsedOfBuffer = Pick<
  GPUBuffer,
  | "label"
  | "size"
  | "usage"
  | "mapState"
  | "mapAsync"
  | "getMappedRange"
  | "unmap"
  | "destroy"
>;

/** A buffer; one that could not be made has no `raw`. */
export class VulkanBuffer implements UsedOfBuffer {
  label: string;
  readonly size: number;
  readonly usage: number;
  readonly raw: RawBuffer | null;
  /** For {@linkcode Hazards}. */
  readonly log = new RangeLog();
  /** The last submission that uses it. */
  lastUse = 0;
  /** Groups that bind it. */
  readonly users = new Set<BufferUser>();
  readonly #owner: BufferOwner;
  #mapState: GPUBufferMapState = "unmapped";
  #ranges: ArrayBuffer[] = [];
  #isDestroyed = false;

  constructor(
    { label = "", size, usage }: GPUBufferDescriptor,
    { raw, owner }: { raw: RawBuffer | null; owner: BufferOwner },
  ) {
    this.label = label;
    this.size = size;
    this.usage = usage;
    this.raw = raw;
    this.#owner = owner;
  }

  get mapState(): GPUBufferMapState {
    return this.#mapState;
  }

  /** Whether commands may use it. */
  get isUsable(): boolean {
    return this.raw !== null && !this.#isDestroyed;
  }

  /**
   * Resolves when all that was submitted for the buffer is done. If it is when
   * this returns, the buffer is mapped by then.
   */
  async mapAsync(mode: number): Promise<undefined> {
    if (mode !== GPUMapMode.READ || !(this.usage & GPUBufferUsage.MAP_READ)) {
      const message = `Cannot map buffer "${this.label}": its usage is ` +
        `${this.usage}, without MAP_READ`;
      this.#owner.report(new DeviceError("validation", message));
      throw new DOMException(message, "OperationError");
    }
    if (!this.isUsable || this.#mapState !== "unmapped") {
      throw new DOMException(
        `Cannot map buffer "${this.label}": it is ` +
          (this.isUsable ? this.#mapState : "destroyed"),
        "OperationError",
      );
    }
    this.#mapState = "pending";
    try {
      const { timeline } = this.#owner;
      if (!timeline.waitNow(this.lastUse)) await timeline.wait(this.lastUse);
    } catch (cause) {
      if (this.#isPending()) this.#mapState = "unmapped";
      this.#owner.report(cause);
      throw cause;
    }
    if (!this.#isPending()) {
      throw new DOMException("The buffer was unmapped", "AbortError");
    }
    this.#mapState = "mapped";
  }

  getMappedRange(offset = 0, size = this.size - offset): ArrayBuffer {
    if (this.#mapState !== "mapped" || offset + size > this.size) {
      throw new DOMException(
        `Cannot read ${size} bytes of buffer "${this.label}" from ${offset}: ` +
          `it is ${this.#mapState}, of ${this.size} bytes`,
        "OperationError",
      );
    }
    const address = this.raw!.allocation.address! + BigInt(offset);
    const range = Deno.UnsafePointerView.getArrayBuffer(
      Deno.UnsafePointer.create(address)!,
      size,
    );
    this.#ranges.push(range);
    return range;
  }

  unmap(): undefined {
    // Who still has a view of the memory must not see it when it is freed.
    for (const range of this.#ranges) range.transfer(0);
    this.#ranges = [];
    this.#mapState = "unmapped";
  }

  destroy(): undefined {
    if (this.#isDestroyed) return;
    this.unmap();
    this.#isDestroyed = true;
    this.#owner.onDestroy(this);
  }

  /** Asked anew after waiting. */
  #isPending(): boolean {
    return this.#mapState === "pending";
  }
}
