/**
 * The WebGPU executor: step programs as generated shaders, on any GPU.
 *
 * Shaders are written for the shapes of a program; its memory is planned and
 * allocated once; a run is one submission. There are no atomics, and every
 * sum has one order, so that an adapter repeats its own bits. Oracle:
 * ../reference/.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import type { Program } from "../../graph/program.ts";
import type {
  Backend,
  ChooseKernelsOptions,
  DeviceInfo,
  KernelChoices,
} from "../backend.ts";
import { withGeneration } from "../kernel_generation.ts";
import type { FoundAdapter } from "./adapters.ts";
import { STAGED_BYTES } from "./attention_products.ts";
import type { AttentionFlow } from "./attention_tile.ts";
import { GpuDevice } from "./device.ts";
import type { WebGpuExecutable } from "./executable.ts";
import {
  chooseGemm,
  formatVariant,
  gemmCandidates,
  knownVariant,
  shapeKey,
  tunedCandidates,
} from "./gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "./gemm_variant.ts";
import { loadedMemory, loadProgram, programFits } from "./load_program.ts";
import { type ChooseGemm, lower, type LoweredProgram } from "./lower.ts";
import { PipelineCache } from "./pipelines.ts";
import { Readback } from "./readback.ts";
import { timeGemm, tryGemm } from "./time_gemm.ts";
import { programShapes, tuneGemm } from "./tune_gemm.ts";
import { openTuningCache, type TuningCache } from "./tuning_cache.ts";
import type { StoredPrecision } from "./two_bytes.ts";

/** For so long products are timed at the start of a training run. */
const TUNE_MS = 2000;
/** How each is timed. */
const TUNE_ROUNDS = { rounds: 2, roundMs: 2 };

/** How to open an adapter; what is absent is best for it. */
export interface WebGpuOptions {
  readonly gemmVariant?: ChooseGemm;
  readonly attentionFlow?: AttentionFlow;
  /** What tuning found out before; absent is the user's own file. */
  readonly tuningCache?: TuningCache;
  /** How activations are stored; absent is fp32. */
  readonly precision?: StoredPrecision;
  /** See `LowerOptions`; false is for tests and benchmarks. */
  readonly fuse?: boolean;
}

/** An open adapter. */
export interface WebGpuBackend extends Backend {
  /** @param options In place of those that the adapter was opened with. */
  compile(program: Program, options?: WebGpuOptions): Promise<WebGpuExecutable>;
  chooseKernels: NonNullable<Backend["chooseKernels"]>;
  memoryOf: NonNullable<Backend["memoryOf"]>;
  /** Different shaders so far. */
  readonly pipelineCount: number;
  /** How this adapter can multiply, but for the parts of k. */
  readonly gemmCandidates: readonly GemmTile[];
  /** How it does, where it is not told. */
  gemmVariant(shape: GemmShape): GemmVariant;
}

/**
 * Opens an adapter.
 *
 * @throws {UserError} If the driver refuses.
 */
export async function openWebGpuBackend(
  adapter: FoundAdapter,
  options: WebGpuOptions = {},
): Promise<WebGpuBackend> {
  const gpu = await GpuDevice.open(adapter);
  const readback = await Readback.open(gpu.device);
  return new OpenWebGpu(gpu, { readback, options });
}

class OpenWebGpu implements WebGpuBackend {
  readonly device: DeviceInfo;
  readonly #gpu: GpuDevice;
  readonly #readback: Readback;
  readonly #options: WebGpuOptions;
  readonly #pipelines: PipelineCache;
  readonly #executables = new Set<WebGpuExecutable>();
  /** By the key of the shape. */
  readonly #choices = new Map<string, GemmVariant>();

  constructor(
    gpu: GpuDevice,
    { readback, options }: { readback: Readback; options: WebGpuOptions },
  ) {
    this.#options = options;
    const { id, name, vendorId, deviceId, isSoftware } = gpu.adapter;
    const { precision = "fp32" } = options;
    this.device = {
      backend: "webgpu",
      id,
      name,
      ...precision !== "fp32" && { precision },
      kernels: withGeneration(
        `WGSL on ${name}` +
          (precision === "fp32" ? "" : `, activations in ${precision}`),
        "webgpu",
      ),
      adapter: { vendorId, deviceId, isSoftware },
    };
    this.#gpu = gpu;
    this.#readback = readback;
    this.#pipelines = new PipelineCache(gpu.device);
  }

  get limits(): { tensorBytes: number } {
    return { tensorBytes: this.#gpu.maxBindingBytes };
  }

  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  get gemmCandidates(): GemmTile[] {
    return gemmCandidates(this.#gpu.device.limits);
  }

  gemmVariant(shape: GemmShape): GemmVariant {
    return this.#choices.get(shapeKey(shape)) ??
      chooseGemm(shape, this.#gpu.adapter);
  }

  async chooseKernels(
    program: Program,
    { recorded = {}, tune }: ChooseKernelsOptions,
  ): Promise<KernelChoices> {
    const shapes = programShapes(program);
    const { adapter, device } = this.#gpu;
    this.#take(recorded);
    const isOpen = (shape: GemmShape) => !this.#choices.has(shapeKey(shape));
    // With a record, the rest is chosen as it was then: not by the clock.
    const isNew = Object.keys(recorded).length === 0;
    if (tune && isNew && !adapter.isSoftware) {
      const { tuningCache = openTuningCache(adapter) } = this.#options;
      this.#take(await tuningCache.load());
      const open = shapes.filter(isOpen);
      const found = await tuneGemm({
        shapes: open,
        candidates: tunedCandidates(adapter, device.limits, open[0]),
        tryOut: (shape, variant) =>
          this.#orNull(() => tryGemm(this, shape, { variant, ...TUNE_ROUNDS })),
        time: (shape, variants) =>
          this.#orNull(async () => {
            const options = { variants, ...TUNE_ROUNDS };
            const times = await timeGemm(this, shape, options);
            return times.map((rounds) => Math.min(...rounds));
          }),
        limitMs: TUNE_MS,
        now: () => performance.now(),
      });
      for (const [key, variant] of found) this.#choices.set(key, variant);
      if (found.size > 0) await tuningCache.save(inWords(found));
    }
    return inWords(
      new Map(
        shapes.map((shape) => [shapeKey(shape), this.gemmVariant(shape)]),
      ),
    );
  }

  /** What `work` gives; null if it does not fit, or does not compile. */
  async #orNull<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      this.#gpu.check(); // a lost device is no matter of memory
      if (error instanceof UserError) return null;
      throw error;
    }
  }

  /** Takes what is said to be best, as far as it is known and can run. */
  #take(choices: KernelChoices): void {
    for (const [key, text] of Object.entries(choices)) {
      const variant = knownVariant(text, this.#gpu.device.limits);
      if (variant !== null) this.#choices.set(key, variant);
    }
  }

  async compile(
    program: Program,
    options?: WebGpuOptions,
  ): Promise<WebGpuExecutable> {
    this.#gpu.check();
    const executable = await loadProgram({
      gpu: this.#gpu,
      readback: this.#readback,
      pipelines: this.#pipelines,
      lowered: this.#lower(program, options),
      onDispose: (disposed) => this.#executables.delete(disposed),
    });
    this.#executables.add(executable);
    return executable;
  }

  async fits(program: Program): Promise<boolean> {
    this.#gpu.check();
    const lowered = this.#lower(program);
    return await programFits({ gpu: this.#gpu, lowered });
  }

  memoryOf(program: Program): { total: number; largest: number } {
    return loadedMemory({ gpu: this.#gpu, lowered: this.#lower(program) });
  }

  async dispose(): Promise<void> {
    for (const executable of [...this.#executables]) {
      await executable.dispose();
    }
    await this.#readback.dispose();
    this.#gpu.close();
  }

  #lower(program: Program, options: WebGpuOptions = {}): LoweredProgram {
    return lower(program, {
      maxBindingBytes: this.#gpu.maxBindingBytes,
      gemmVariant: (shape) => this.gemmVariant(shape),
      attentionFlow: this.#attentionFlow(),
      precision: "fp32",
      fuse: true,
      ...this.#options,
      ...options,
    });
  }

  /** Through workgroup memory where that was measured to be faster. */
  #attentionFlow(): AttentionFlow {
    const { adapter, device } = this.#gpu;
    const room = device.limits.maxComputeWorkgroupStorageSize;
    const isStaged = adapter.vendor === "nvidia" && room >= STAGED_BYTES;
    return isStaged ? "staged" : "direct";
  }
}

function inWords(choices: ReadonlyMap<string, GemmVariant>): KernelChoices {
  return Object.fromEntries(
    [...choices].map(([key, variant]) => [key, formatVariant(variant)]),
  );
}
