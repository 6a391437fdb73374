/**
 * An open device with WebGPU's interface, as far as ../webgpu/ uses it.
 *
 * As with WebGPU, mistakes and want of memory go to error scopes, not to the
 * caller; but what a caller cannot go on without (a shader that does not
 * compile) is thrown.
 *
 * @module
 */

import { VulkanError } from "./api/result.ts";
import { BindGroup, BindGroupLayout, type BoundRange } from "./bind_group.ts";
import { createRawBuffer, freeRawBuffer, VulkanBuffer } from "./buffer.ts";
import { CommandEncoder } from "./commands/command_encoder.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import {
  DeviceError,
  ErrorScopes,
  UncapturedErrorEvent,
} from "./error_scopes.ts";
import { ComputePipeline, PipelineLayout, ShaderModule } from "./pipeline.ts";
import { QuerySet } from "./query_set.ts";
import { VulkanQueue } from "./queue.ts";

/** Why a device answers nothing any more. */
interface LostInfo {
  readonly reason: "destroyed" | "unknown";
  readonly message: string;
}

const LOST = "device was lost";

/** A shader, and the layout of its bindings. */
interface PipelineDescriptor {
  readonly label?: string;
  readonly layout: PipelineLayout;
  readonly compute: { readonly module: ShaderModule };
}

/** The most that a device can do, by WebGPU's names. */
export type DeviceLimits = Readonly<Record<string, number>>;

/** A device. */
export class VulkanDevice extends EventTarget {
  label = "";
  readonly features: ReadonlySet<string>;
  readonly limits: DeviceLimits;
  readonly queue: VulkanQueue;
  readonly lost: Promise<LostInfo>;
  readonly #device: LogicalDevice;
  readonly #scopes: ErrorScopes;
  readonly #buffers = new Set<VulkanBuffer>();
  readonly #querySets = new Set<QuerySet>();
  /** Pipelines that threads are at work on. */
  readonly #compiling = new Set<Promise<unknown>>();
  /** Layouts and pipelines, in the order in which they were made. */
  readonly #owned: { destroy(): void }[] = [];
  readonly #resolveLost: (info: LostInfo) => void;
  #isClosed = false;
  /** Lost or closed: nothing is done any more. */
  #isOver = false;

  constructor(
    device: LogicalDevice,
    { features, limits }: {
      features: ReadonlySet<string>;
      limits: DeviceLimits;
    },
  ) {
    super();
    this.#device = device;
    this.features = features;
    this.limits = limits;
    const { promise, resolve } = Promise.withResolvers<LostInfo>();
    this.lost = promise;
    this.#resolveLost = resolve;
    this.#scopes = new ErrorScopes((message) =>
      void this.dispatchEvent(new UncapturedErrorEvent(message))
    );
    this.queue = new VulkanQueue(device, (work) => this.#attempt(work));
  }

  pushErrorScope(kind: GPUErrorFilter): undefined {
    this.#scopes.push(kind);
  }

  /** What went wrong since the scope was pushed, or null. */
  popErrorScope(): Promise<{ message: string } | null> {
    const message = this.#scopes.pop();
    return Promise.resolve(message === null ? null : { message });
  }

  createBuffer(descriptor: GPUBufferDescriptor): VulkanBuffer {
    const { label = "", size, usage } = descriptor;
    const isMapped = (usage & GPUBufferUsage.MAP_READ) !== 0;
    const use = isMapped ? "readback" : "device";
    const raw = this.#attempt(() => {
      if (size > this.limits.maxBufferSize || size % 4 !== 0 || size === 0) {
        throw new DeviceError(
          "validation",
          `Cannot make buffer "${label}" of ${size} bytes: sizes are ` +
            "multiples of 4, the maximum buffer size is " +
            this.limits.maxBufferSize,
        );
      }
      this.queue.collect();
      try {
        return createRawBuffer(this.#device, { sizeBytes: size, use });
      } catch (error) {
        if (!(error instanceof VulkanError && error.isOutOfMemory)) throw error;
        this.queue.waitIdle(); // what was destroyed may still be in use
        return createRawBuffer(this.#device, { sizeBytes: size, use });
      }
    }) ?? null;
    const buffer = new VulkanBuffer(descriptor, {
      raw,
      owner: {
        timeline: this.queue.timeline,
        report: (error) => this.#report(error),
        onDestroy: (destroyed) => this.#forget(destroyed),
      },
    });
    if (raw) {
      this.#buffers.add(buffer);
      if (!isMapped) this.queue.clear(buffer);
    }
    return buffer;
  }

  createShaderModule(descriptor: GPUShaderModuleDescriptor): ShaderModule {
    return this.#make(() => new ShaderModule(descriptor));
  }

  createBindGroupLayout(
    descriptor: GPUBindGroupLayoutDescriptor,
  ): BindGroupLayout {
    return this.#own(() => new BindGroupLayout(this.#device, descriptor));
  }

  createPipelineLayout(
    { label, bindGroupLayouts }: {
      label?: string;
      bindGroupLayouts: Iterable<BindGroupLayout>;
    },
  ): PipelineLayout {
    const groups = [...bindGroupLayouts];
    return this.#own(() => new PipelineLayout(this.#device, { label, groups }));
  }

  createComputePipeline(
    { label, layout, compute: { module } }: PipelineDescriptor,
  ): ComputePipeline {
    return this.#own(() =>
      ComputePipeline.compile(this.#device, { label, layout, module })
    );
  }

  /** In a thread of its own: several are compiled at a time. */
  async createComputePipelineAsync(
    { label, layout, compute: { module } }: PipelineDescriptor,
  ): Promise<ComputePipeline> {
    const compiling = this.#make(() =>
      ComputePipeline.compileAside(this.#device, { label, layout, module })
    );
    this.#compiling.add(compiling);
    try {
      const pipeline = await compiling;
      this.#owned.push(pipeline);
      return pipeline;
    } catch (error) {
      this.#noticeLoss(error);
      throw error;
    } finally {
      this.#compiling.delete(compiling);
    }
  }

  createBindGroup(
    { label, layout, entries }: {
      label?: string;
      layout: BindGroupLayout;
      entries: Iterable<
        { binding: number; resource: Omit<BoundRange, "binding"> }
      >;
    },
  ): BindGroup {
    return this.#make(() =>
      new BindGroup(this.#device, {
        label,
        layout,
        entries: [...entries].map(({ binding, resource }) => {
          const { buffer, offset = 0 } = resource;
          const { size = buffer.size - offset } = resource;
          return { binding, buffer, offset, size };
        }),
      })
    );
  }

  createCommandEncoder({ label = "" }: { label?: string } = {}) {
    return new CommandEncoder(label, {
      report: (error) => this.#report(error),
      maxWorkgroups: this.#device.physical.limits.maxWorkgroupCount,
    });
  }

  createQuerySet(descriptor: GPUQuerySetDescriptor): QuerySet {
    const querySet: QuerySet = this.#make(() =>
      new QuerySet(this.#device, descriptor, () => {
        this.#querySets.delete(querySet);
        const { vk, handle } = this.#device;
        this.queue.whenDone(
          querySet.lastUse,
          () => vk.vkDestroyQueryPool(handle, querySet.handle, 0n),
        );
      })
    );
    this.#querySets.add(querySet);
    return querySet;
  }

  /** Waits for the device, and frees all that was made on it. */
  destroy(): undefined {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const one of [...this.#buffers, ...this.#querySets]) one.destroy();
    this.queue.waitIdle();
    void this.#free();
    this.#lose("destroyed");
  }

  /** Frees what is left, once no thread uses the device any more. */
  async #free(): Promise<void> {
    await Promise.allSettled(this.#compiling);
    for (const one of this.#owned.reverse()) one.destroy();
    await this.queue.destroy();
    const { vk, handle } = this.#device;
    vk.vkDestroyDevice(handle, 0n);
  }

  /** What `work` makes; it goes with the device. */
  #own<T extends { destroy(): void }>(work: () => T): T {
    const made = this.#make(work);
    this.#owned.push(made);
    return made;
  }

  /** @throws {Error} If it cannot be made. */
  #make<T>(work: () => T): T {
    if (this.#isOver) throw new DeviceError("internal", LOST);
    try {
      return work();
    } catch (error) {
      this.#noticeLoss(error);
      throw error;
    }
  }

  /** What `work` gives; undefined if that fails, which is reported. */
  #attempt<T>(work: () => T): T | undefined {
    if (this.#isOver) return undefined;
    try {
      return work();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    if (!this.#noticeLoss(error)) this.#scopes.report(error);
  }

  /** Whether an error means that the device is lost. */
  #noticeLoss(error: unknown): boolean {
    const isLoss = error instanceof VulkanError && error.isDeviceLost;
    if (isLoss) this.#lose("unknown", error.message);
    return isLoss;
  }

  #lose(reason: "destroyed" | "unknown", why = ""): void {
    this.#isOver = true;
    this.#resolveLost({ reason, message: why ? `${LOST} (${why})` : LOST });
  }

  /** Frees a buffer once the device is done with it. */
  #forget(buffer: VulkanBuffer): void {
    const { raw, users, lastUse } = buffer;
    if (!this.#buffers.delete(buffer) || !raw) return;
    this.queue.whenDone(lastUse, () => {
      for (const user of [...users]) user.release();
      freeRawBuffer(this.#device, raw);
    });
  }
}
