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
import { type DriverTrials, NO_TRIALS } from "../driver_trials.ts";
import { withGeneration } from "../kernel_generation.ts";
import { whyNoAttention } from "./self_test/attention_self_test.ts";
import type { AdapterInfo, FoundAdapter } from "./device/adapters.ts";
import { GpuDevice } from "./device/device.ts";
import type { MatrixUnit } from "./device/matrix_unit.ts";
import { Readback } from "./device/readback.ts";
import type { StoredPrecision } from "./dispatch.ts";
import type { WebGpuExecutable } from "./executable.ts";
import { gemmCandidates } from "./choice/gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "./gemm/gemm_variant.ts";
import {
  formatUnit,
  matrixCandidates,
  matrixUnitFor,
} from "./choice/matrix_choice.ts";
import { whyNoProducts, whyNoUnit } from "./self_test/matrix_self_test.ts";
import {
  loadedMemory,
  loadProgram,
  NotCompiled,
  programFits,
} from "./loading/load_program.ts";
import { PipelineCache } from "./loading/pipelines.ts";
import {
  type ChooseAttention,
  type ChooseGemm,
  lower,
  type LoweredProgram,
} from "./lowering/lower.ts";
import type { StoredTensors } from "./lowering/views.ts";
import {
  ChosenKernels,
  formatChoice,
  type KernelChoice,
} from "./tuning/kernel_choice.ts";
import { programSites, siteKey } from "./tuning/kernel_sites.ts";
import {
  compileKernels,
  timeKernels,
  tryKernel,
} from "./tuning/time_kernels.ts";
import { type RefusedWay, tuneKernels } from "./tuning/tune_kernels.ts";
import { openTuningCache, type TuningCache } from "./tuning/tuning_cache.ts";

/** For so long kernels are timed at the start of a training run. */
const TUNE_MS = 2000;
/** How each is timed. */
const TUNE_ROUNDS = { rounds: 2, roundMs: 2 };

/** How to open an adapter; what is absent is best for it. */
export interface WebGpuOptions {
  readonly gemmVariant?: ChooseGemm;
  readonly attention?: ChooseAttention;
  /** What tuning found out before; absent is the user's own file. */
  readonly tuningCache?: TuningCache;
  /** Of its driver; absent where nothing is kept about that. */
  readonly trials?: DriverTrials;
  /** How activations are stored; absent is fp32. */
  readonly precision?: StoredPrecision;
  /** See `LowerOptions`; absent is what the device has. */
  readonly hasU64?: boolean;
  /** The same; false is for tests of the kernels of cards. */
  readonly isSoftware?: boolean;
  /** See `LowerOptions`; absent is for all but tests. */
  readonly mostKeptBytes?: number;
  /** See `LowerOptions`; false is for tests and benchmarks. */
  readonly fuse?: boolean;
  /** The same. */
  readonly overlap?: boolean;
  /** The same. */
  readonly copyFactors?: boolean;
  /** See `LowerOptions`. */
  readonly stored?: StoredTensors;
}

/** A way that was timed. */
export interface TimedWay {
  readonly way: string;
  readonly ms: number;
}

/** How kernels are chosen on a GPU. */
export interface ChooseGpuKernelsOptions extends ChooseKernelsOptions {
  /** Milliseconds that timing may take; two seconds if absent. */
  readonly limitMs?: number;
  /** Told of every site that was timed; for benchmarks. */
  readonly onTimed?: (site: string, ways: readonly TimedWay[]) => void;
}

/** An open adapter. */
export interface WebGpuBackend extends Backend {
  /** @param options In place of those that the adapter was opened with. */
  compile(program: Program, options?: WebGpuOptions): Promise<WebGpuExecutable>;
  chooseKernels(
    program: Program,
    options: ChooseGpuKernelsOptions,
  ): Promise<KernelChoices>;
  memoryOf: NonNullable<Backend["memoryOf"]>;
  /** Different shaders so far. */
  readonly pipelineCount: number;
  /** How this adapter can multiply, but for the parts of k. */
  readonly gemmCandidates: readonly GemmTile[];
  /** How it does, where it is not told. */
  gemmVariant(shape: GemmShape): GemmVariant;
}

/**
 * Opens an adapter. A matrix unit of it that fails its test is not used.
 *
 * @throws {UserError} If the driver refuses, or fails at a product; only
 * those are asked for one that WebGPU does not stand between.
 */
export async function openWebGpuBackend(
  adapter: FoundAdapter,
  options: WebGpuOptions = {},
): Promise<WebGpuBackend> {
  const { precision = "fp32", trials = NO_TRIALS } = options;
  using _ = trials.begin("was opening and testing the card");
  const unit = matrixUnitFor(precision, adapter.info.matrixUnits);
  const backend = await openAdapter(adapter, { options, unit });
  if (!unit) return await expectProducts(adapter, backend);
  const noUnit = await whyNoUnit(backend, unit) ??
    // Software takes seconds to compile it, and does not use it.
    (adapter.info.isSoftware ? null : await whyNoAttention(backend, unit));
  if (noUnit === null) return backend;
  // Opened anew, as its test may have left an error behind, or a lost device.
  await backend.dispose();
  const without = await openAdapter(adapter, { options, unit: null, noUnit });
  return await expectProducts(adapter, without);
}

async function expectProducts(
  { info: { id, name, vulkan } }: FoundAdapter,
  backend: WebGpuBackend,
): Promise<WebGpuBackend> {
  const problem = vulkan ? await whyNoProducts(backend) : null;
  if (problem === null) return backend;
  await backend.dispose();
  throw new UserError(`Cannot use ${id} (${name}): ${problem}`, {
    hint: "use --device webgpu or cpu, or type hearth doctor",
  });
}

/** What an open adapter is worked with. */
interface UnitOptions {
  readonly options: WebGpuOptions;
  /** What products may use. */
  readonly unit: MatrixUnit | null;
  /** Why it is null, if the adapter has one. */
  readonly noUnit?: string;
}

async function openAdapter(
  adapter: FoundAdapter,
  options: UnitOptions,
): Promise<WebGpuBackend> {
  const gpu = await GpuDevice.open(adapter, options.options.trials);
  const readback = await Readback.open(gpu.device);
  return new OpenWebGpu(gpu, { readback, ...options });
}

class OpenWebGpu implements WebGpuBackend {
  readonly device: DeviceInfo;
  readonly #gpu: GpuDevice;
  readonly #readback: Readback;
  readonly #options: WebGpuOptions;
  readonly #pipelines: PipelineCache;
  readonly #executables = new Set<WebGpuExecutable>();
  readonly #chosen: ChosenKernels;
  readonly #unit: MatrixUnit | null;

  constructor(
    gpu: GpuDevice,
    { readback, options, unit, noUnit }:
      & { readback: Readback }
      & UnitOptions,
  ) {
    this.#options = options;
    const { id, name, vendorId, deviceId, isSoftware, vulkan } = gpu.adapter;
    const { pciAddress, uuid } = gpu.adapter;
    const { precision = "fp32" } = options;
    this.#unit = unit;
    this.device = {
      backend: vulkan ? "vulkan" : "webgpu",
      id,
      name,
      ...precision !== "fp32" && { precision },
      kernels: withGeneration(
        `WGSL ${vulkan ? "through Vulkan " : ""}on ${name}` +
          (precision === "fp32" ? "" : `, activations in ${precision}`) +
          (unit ? `, matrix units ${formatUnit(unit)}` : ""),
        "webgpu",
      ),
      ...noUnit !== undefined && { noUnit },
      adapter: {
        ...{ vendorId, deviceId, isSoftware },
        ...pciAddress ? { pciAddress } : uuid && { uuid },
      },
    };
    this.#gpu = gpu;
    this.#chosen = new ChosenKernels(
      { ...gpu.adapter, unit },
      gpu.device.limits,
    );
    this.#readback = readback;
    this.#pipelines = new PipelineCache(gpu);
  }

  get limits(): { tensorBytes: number } {
    return { tensorBytes: this.#gpu.maxBindingBytes };
  }

  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  get gemmCandidates(): GemmTile[] {
    const { limits } = this.#gpu.device;
    const threads = gemmCandidates(limits);
    return this.#unit
      ? [...matrixCandidates(this.#unit, limits), ...threads]
      : threads;
  }

  gemmVariant(shape: GemmShape): GemmVariant {
    return this.#chosen.gemm(shape);
  }

  async chooseKernels(
    program: Program,
    { recorded = {}, tune, onNote, limitMs = TUNE_MS, onTimed }:
      ChooseGpuKernelsOptions,
  ): Promise<KernelChoices> {
    using _ = this.#gpu.trials.begin("was compiling and timing kernels");
    const sites = programSites(
      program,
      this.#options.precision,
      this.#unit,
    );
    const { adapter } = this.#gpu;
    const chosen = this.#chosen;
    chosen.take(recorded);
    // With a record, the rest is chosen as it was then: not by the clock.
    const isNew = Object.keys(recorded).length === 0;
    if (tune && isNew && !adapter.isSoftware) {
      const {
        tuningCache = openTuningCache({
          ...adapter,
          unit: this.#unit,
        }),
      } = this.#options;
      chosen.take(await tuningCache.load());
      const { timed, guessed, refused } = await tuneKernels({
        sites: sites.filter((site) => !chosen.has(site)),
        best: chosen.knownTiles(),
        ways: (site, best) => chosen.ways(site, best),
        atOnce: this.#gpu.shadersAtOnce,
        compile: async (site, ways) => {
          if (this.#gpu.shadersAtOnce === 1) return;
          await this.#orNull(() => compileKernels(this, site, ways));
        },
        tryOut: (site, way) =>
          this.#orNull(() =>
            tryKernel(this, site, { way, ...TUNE_ROUNDS })
              .catch(whyNotCompiled)
          ),
        time: (site, ways) =>
          this.#orNull(async () => {
            const options = { ways, ...TUNE_ROUNDS };
            const times = (await timeKernels(this, site, options))
              .map((rounds) => Math.min(...rounds));
            onTimed?.(
              siteKey(site),
              ways.map((way, i) => ({ way: formatChoice(way), ms: times[i] })),
            );
            return times;
          }),
        limitMs,
        now: () => performance.now(),
      });
      chosen.take({ ...inWords(timed), ...inWords(guessed) });
      // What was only guessed is left for the next run to time.
      if (timed.size > 0) await tuningCache.save(inWords(timed), refused);
      if (refused.length > 0) onNote?.(noteRefused(refused, adapter));
    }
    return chosen.inWords(sites);
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

  async compile(
    program: Program,
    options?: WebGpuOptions,
  ): Promise<WebGpuExecutable> {
    this.#gpu.check();
    using _ = this.#gpu.trials.begin("was compiling kernels");
    const executable = await loadProgram({
      gpu: this.#gpu,
      readback: this.#readback,
      pipelines: this.#pipelines,
      lowered: this.#lower(program, options),
      overlap: options?.overlap ?? this.#options.overlap,
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
      maxBindings: this.#gpu.device.limits.maxStorageBuffersPerShaderStage,
      workgroupBytes: this.#gpu.device.limits.maxComputeWorkgroupStorageSize,
      gemmVariant: (shape) => this.gemmVariant(shape),
      attention: ({ op, attrs }) => this.#chosen.attention(op, attrs),
      hasU64: this.#gpu.hasU64,
      isSoftware: this.#gpu.adapter.isSoftware,
      precision: "fp32",
      unit: this.#unit,
      fuse: true,
      ...this.#options,
      ...options,
    });
  }
}

/** @throws What is no trouble of a compiler. */
function whyNotCompiled(error: unknown): { why: string } {
  if (!(error instanceof NotCompiled)) throw error;
  return { why: error.why };
}

function noteRefused(
  refused: readonly RefusedWay[],
  { id, name }: AdapterInfo,
): string {
  const [{ site, way, why }] = refused;
  const count = refused.length === 1 ? "1 kernel" : `${refused.length} kernels`;
  return `Device ${id} (${name}) does not compile ${count}, left out where ` +
    `they were tried: ${formatChoice(way)} for ${site}: ${why}`;
}

function inWords(choices: ReadonlyMap<string, KernelChoice>): KernelChoices {
  return Object.fromEntries(
    [...choices].map(([key, choice]) => [key, formatChoice(choice)]),
  );
}
