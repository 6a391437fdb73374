/**
 * Which buffers a shader gets: layouts, and descriptor sets made once for each
 * bind group.
 *
 * A set is given back when a buffer in it is destroyed, as its group can never
 * be used again; WebGPU's groups have no end of their own.
 *
 * @module
 */

import {
  DESCRIPTOR_TYPE_STORAGE_BUFFER,
  SHADER_STAGE_COMPUTE_BIT,
} from "./api/constants.ts";
import { NativeMemory, scratch } from "./api/native_memory.ts";
import { check } from "./api/result.ts";
import {
  DescriptorBufferInfo,
  DescriptorPoolCreateInfo,
  DescriptorPoolSize,
  DescriptorSetAllocateInfo,
  DescriptorSetLayoutBinding,
  DescriptorSetLayoutCreateInfo,
  WriteDescriptorSet,
} from "./api/structs.ts";
import type { BufferUser, VulkanBuffer } from "./buffer.ts";
import type { Access } from "./commands/hazards.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import { DeviceError } from "./error_scopes.ts";

/** Sets of a pool; another is made when they are taken. */
const SETS_PER_POOL = 64;

/** How many buffers there are to bind; owns the sets of that layout. */
export class BindGroupLayout {
  readonly label: string;
  readonly handle: bigint;
  readonly bindings: readonly number[];
  readonly #device: LogicalDevice;
  readonly #pools: bigint[] = [];
  readonly #free: bigint[] = [];

  /** @throws {DeviceError} If a binding is no storage buffer. */
  constructor(
    device: LogicalDevice,
    { label = "", entries }: GPUBindGroupLayoutDescriptor,
  ) {
    const list = [...entries];
    if (!list.every(({ buffer }) => buffer?.type?.includes("storage"))) {
      throw new DeviceError(
        "validation",
        `Cannot make layout "${label}": only storage buffers are known here`,
      );
    }
    this.label = label;
    this.#device = device;
    this.bindings = list.map(({ binding }) => binding);
    this.handle = scratch.during(() => {
      const layout = scratch.take(8);
      const info = scratch.write(DescriptorSetLayoutCreateInfo, {
        bindingCount: list.length,
        pBindings: scratch.writeAll(
          DescriptorSetLayoutBinding,
          this.bindings.map((binding) => ({
            binding,
            descriptorType: DESCRIPTOR_TYPE_STORAGE_BUFFER,
            descriptorCount: 1,
            stageFlags: SHADER_STAGE_COMPUTE_BIT,
          })),
        ),
      });
      check(
        device.vk.vkCreateDescriptorSetLayout(device.handle, info, 0n, layout),
        "vkCreateDescriptorSetLayout",
      );
      return scratch.readHandle(layout);
    });
  }

  /** How many pools there are. */
  get poolCount(): number {
    return this.#pools.length;
  }

  /** A set that nobody uses. @throws {VulkanError} If there is no room. */
  takeSet(): bigint {
    if (this.#free.length === 0) this.#addPool();
    return this.#free.pop()!;
  }

  /** Takes a set back; the device must not use it any more. */
  giveSet(set: bigint): void {
    this.#free.push(set);
  }

  destroy(): void {
    const { vk, handle } = this.#device;
    for (const pool of this.#pools) {
      vk.vkDestroyDescriptorPool(handle, pool, 0n);
    }
    vk.vkDestroyDescriptorSetLayout(handle, this.handle, 0n);
  }

  #addPool(): void {
    const { vk, handle: device } = this.#device;
    scratch.during(() => {
      const result = scratch.take(8);
      const info = scratch.write(DescriptorPoolCreateInfo, {
        maxSets: SETS_PER_POOL,
        poolSizeCount: 1,
        pPoolSizes: scratch.write(DescriptorPoolSize, {
          type: DESCRIPTOR_TYPE_STORAGE_BUFFER,
          descriptorCount: SETS_PER_POOL * Math.max(1, this.bindings.length),
        }),
      });
      check(
        vk.vkCreateDescriptorPool(device, info, 0n, result),
        "vkCreateDescriptorPool",
      );
      const descriptorPool = scratch.readHandle(result);
      const sets = scratch.take(8 * SETS_PER_POOL);
      const wanted = scratch.write(DescriptorSetAllocateInfo, {
        descriptorPool,
        descriptorSetCount: SETS_PER_POOL,
        pSetLayouts: scratch.writeHandles(
          new Array<bigint>(SETS_PER_POOL).fill(this.handle),
        ),
      });
      const allocated = vk.vkAllocateDescriptorSets(device, wanted, sets);
      if (allocated < 0) vk.vkDestroyDescriptorPool(device, descriptorPool, 0n);
      check(allocated, "vkAllocateDescriptorSets");
      this.#pools.push(descriptorPool);
      for (let i = 0; i < SETS_PER_POOL; i++) {
        this.#free.push(scratch.readHandle(sets + BigInt(8 * i)));
      }
    });
  }
}

/** A binding with the bytes that it shows. */
export interface BoundRange {
  readonly binding: number;
  readonly buffer: VulkanBuffer;
  readonly offset: number;
  readonly size: number;
}

/** What a shader does with its bindings. */
export interface ShaderAccess {
  /** Of the bindings that it uses. */
  readonly access: ReadonlyMap<number, "read" | "read_write">;
}

/** Buffers by their bindings. */
export class BindGroup implements BufferUser {
  readonly label: string;
  readonly layout: BindGroupLayout;
  readonly ranges: readonly BoundRange[];
  readonly buffers: readonly VulkanBuffer[];
  readonly set: bigint;
  /** Where the set's handle lies, for commands that bind it. */
  readonly setAddress: bigint;
  readonly #memory = new NativeMemory(8);
  #accesses: { shader: ShaderAccess; list: readonly Access[] } | null = null;
  #isReleased = false;

  /** @throws {DeviceError} If it does not fit the layout or the device. */
  constructor(
    device: LogicalDevice,
    { label = "", layout, entries }: {
      label?: string;
      layout: BindGroupLayout;
      entries: readonly BoundRange[];
    },
  ) {
    this.label = label;
    this.layout = layout;
    this.ranges = entries;
    this.buffers = entries.map(({ buffer }) => buffer);
    this.#expectSound(device);
    this.set = layout.takeSet();
    this.setAddress = this.#memory.writeHandles([this.set]);
    this.#writeSet(device);
    for (const { buffer } of entries) buffer.users.add(this);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.layout.giveSet(this.set);
    for (const { buffer } of this.ranges) buffer.users.delete(this);
  }

  /** What a shader does with the buffers. */
  accessesOf(shader: ShaderAccess): readonly Access[] {
    if (this.#accesses?.shader !== shader) {
      const list = this.ranges
        .filter(({ binding }) => shader.access.has(binding))
        .map(({ binding, buffer, offset, size }) => ({
          log: buffer.log,
          start: offset,
          end: offset + size,
          written: shader.access.get(binding) === "read_write",
        }));
      this.#accesses = { shader, list };
    }
    return this.#accesses.list;
  }

  #expectSound({ physical: { limits } }: LogicalDevice): void {
    const refuse = (why: string) => {
      throw new DeviceError(
        "validation",
        `Cannot make bind group "${this.label}": ${why}`,
      );
    };
    const { bindings } = this.layout;
    if (
      this.ranges.length !== bindings.length ||
      !this.ranges.every(({ binding }) => bindings.includes(binding))
    ) {
      refuse(
        `it has ${this.ranges.length} buffers, its layout ` +
          `${bindings.length} bindings`,
      );
    }
    for (const { binding, buffer, offset, size } of this.ranges) {
      if (!buffer.isUsable) refuse(`the buffer of ${binding} is destroyed`);
      if (!(buffer.usage & GPUBufferUsage.STORAGE)) {
        refuse(`the buffer of ${binding} lacks STORAGE`);
      }
      if (size <= 0 || offset < 0 || offset + size > buffer.size) {
        refuse(
          `binding ${binding} shows ${size} bytes from ${offset} of a buffer ` +
            `of ${buffer.size}`,
        );
      }
      if (offset % limits.storageBufferAlignment !== 0) {
        refuse(
          `the offset ${offset} of ${binding} is no multiple of ` +
            limits.storageBufferAlignment,
        );
      }
      if (size > limits.maxStorageBufferRange) {
        refuse(
          `binding ${binding} shows ${size} bytes, the device allows ` +
            limits.maxStorageBufferRange,
        );
      }
    }
  }

  #writeSet({ vk, handle }: LogicalDevice): void {
    const { set: dstSet } = this;
    scratch.during(() => {
      const writes = this.ranges.map(({ binding, buffer, offset, size }) => ({
        dstSet,
        dstBinding: binding,
        descriptorCount: 1,
        descriptorType: DESCRIPTOR_TYPE_STORAGE_BUFFER,
        pBufferInfo: scratch.write(DescriptorBufferInfo, {
          buffer: buffer.raw!.handle,
          offset: BigInt(offset),
          range: BigInt(size),
        }),
      }));
      const address = scratch.writeAll(WriteDescriptorSet, writes);
      vk.vkUpdateDescriptorSets(handle, writes.length, address, 0, 0n);
    });
  }
}
