/**
 * An open WebGPU device that remembers what went wrong.
 *
 * WebGPU reports errors to listeners and scopes, not to the call that causes
 * them; a lost device answers nothing at all. Whoever works with the device
 * asks {@linkcode GpuDevice.check} before it goes on.
 *
 * @module
 */

import { errorMessage, UserError } from "../../../base/errors.ts";
import { type DriverTrials, NO_TRIALS } from "../../driver_trials.ts";
import type { AdapterInfo, FoundAdapter } from "./adapters.ts";

/**
 * Adapters promise larger buffers than their drivers allocate in one piece:
 * NVIDIA's Vulkan stops just below 4 GiB (maxMemoryAllocationSize).
 */
const MAX_BUFFER_BYTES = 2 ** 31;

/** A vector of four numbers: it is read whole, so that buffers end with one. */
export const VECTOR_BYTES = 16;

/** Compilers that run at a time, as each takes memory. */
const MOST_AT_ONCE = 16;

/** A device and its health. */
export class GpuDevice {
  readonly adapter: AdapterInfo;
  readonly device: GPUDevice;
  /** Told of what a driver may crash at. */
  readonly trials: DriverTrials;
  #failure: UserError | null = null;
  #closed = false;

  private constructor(
    adapter: AdapterInfo,
    device: GPUDevice,
    trials: DriverTrials,
  ) {
    this.adapter = adapter;
    this.device = device;
    this.trials = trials;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // else Deno prints it and goes on
      const { message } = (event as GPUUncapturedErrorEvent).error;
      this.#fail(`Cannot compute on ${adapter.name}: ${message}`);
    });
    device.lost.then(({ message }) => {
      if (!this.#closed) this.#fail(`Lost ${adapter.name}: ${message}`);
    });
  }

  /**
   * Opens an adapter with all that it allows.
   *
   * @throws {UserError} If the driver refuses.
   */
  static async open(
    { info, request }: FoundAdapter,
    trials: DriverTrials = NO_TRIALS,
  ): Promise<GpuDevice> {
    try {
      const adapter = await request();
      if (!adapter) throw new Error("the adapter is gone");
      return new GpuDevice(info, await requestDevice(adapter), trials);
    } catch (cause) {
      const { id, name } = info;
      throw new UserError(
        `Cannot open ${id} (${name}): ${errorMessage(cause)}`,
        {
          hint: "use --device cpu, or type hearth doctor",
          cause,
        },
      );
    }
  }

  /** Whether shaders may use u64. */
  get hasU64(): boolean {
    return this.device.features.has(U64);
  }

  /** Shaders that are compiled at a time; Deno's WebGPU waits for each. */
  get shadersAtOnce(): number {
    if (!this.adapter.vulkan) return 1;
    return Math.min(MOST_AT_ONCE, navigator.hardwareConcurrency);
  }

  /** The largest buffer, in whole vectors. */
  get maxBufferBytes(): number {
    const { maxBufferSize } = this.device.limits;
    return wholeVectors(Math.min(maxBufferSize, MAX_BUFFER_BYTES));
  }

  /** The largest piece of memory that a shader can be given. */
  get maxBindingBytes(): number {
    const { maxStorageBufferBindingSize } = this.device.limits;
    return Math.min(
      this.maxBufferBytes,
      wholeVectors(maxStorageBufferBindingSize),
    );
  }

  /** @throws {UserError} If the device failed since it was opened. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * Runs `work` and throws what WebGPU finds wrong with it.
   *
   * @param kind Which errors.
   */
  async expect<T>(kind: GPUErrorFilter, work: () => T): Promise<T> {
    this.device.pushErrorScope(kind);
    let result: T;
    try {
      result = work();
    } catch (error) {
      await this.device.popErrorScope();
      throw error;
    }
    const error = await this.device.popErrorScope();
    if (error) throw new Error(error.message);
    return result;
  }

  /** Gives the device back; its buffers were destroyed before. */
  close(): void {
    this.#closed = true;
    this.device.destroy();
    this.trials.close();
  }

  #fail(message: string): void {
    // WebGPU says "Not enough memory left", Vulkan "…OUT_OF_DEVICE_MEMORY".
    const less = /memory/i.test(message)
      ? " with other programs closed, or a smaller --batch-size"
      : "";
    this.#failure ??= new UserError(message, {
      hint: `try again${less}, or use --device cpu`,
    });
  }
}

/** Drivers and WebGPU allow sizes such as 2³¹ - 1. */
function wholeVectors(bytes: number): number {
  return Math.floor(bytes / VECTOR_BYTES) * VECTOR_BYTES;
}

/** What shaders and profiles make use of where it is there. */
const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "timestamp-query"];

/**
 * u64 in shaders: a feature of wgpu, on which Deno's WebGPU stands. Deno grants
 * it by this name, but does not list it among those of an adapter.
 */
const U64 = "wgpu-shader-int64" as GPUFeatureName;

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const request = (...more: GPUFeatureName[]) =>
    adapter.requestDevice({
      requiredFeatures: [
        ...FEATURES.filter((one) => adapter.features.has(one)),
        ...more,
      ],
      requiredLimits: limitsOf(adapter.limits),
    });
  try {
    return await request(U64);
  } catch {
    return await request(); // which says why, if it was not that
  }
}

/** Without being asked, a device has the least that WebGPU promises. */
function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  return {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
  };
}
