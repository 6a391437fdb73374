/**
 * Opens the device that a request such as `gpu:0` means, in the precision
 * asked for, or the next best with a warning.
 *
 * Which device that is, choose_device.ts decides; whether a small model is
 * better off on the CPU, auto_device.ts.
 *
 * @module
 */

import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { compareDevices, isSmallWork, type StepWork } from "./auto_device.ts";
import type { Backend } from "./backend.ts";
import { chooseDevice, isVulkanRequest } from "./choose_device.ts";
import { readCpuInfo } from "./cpu/cores.ts";
import { openCpuBackend } from "./cpu/cpu_backend.ts";
import { type GemmChoice, loadKernels } from "./cpu/kernels.ts";
import { makerOfUnseen } from "./diagnose_gpu.ts";
import { type Card, listCards } from "./gpu_findings.ts";
import { measureSpeed } from "./measure.ts";
import { type FoundAdapter, listAdapters } from "./webgpu/adapters.ts";

/** Arithmetic of matrix products. */
export type Precision = "fp32" | "bf16" | "fp16";

/** What the user asked for. */
export interface DeviceChoice {
  /** See choose_device.ts: `auto`, `cpu`, `gpu:N`, `vulkan:N`, a name … */
  readonly device: string;
  /** CPU threads; 0 or absent is one per physical core. */
  readonly threads?: number;
  /** Who multiplies matrices on the CPU; absent is `auto`. */
  readonly gemm?: GemmChoice;
  /** Absent is fp32. */
  readonly precision?: Precision;
  /** Whether to fail where a warning would do. */
  readonly strict?: boolean;
  /** What there is to do: with it, `auto` also considers the CPU. */
  readonly work?: StepWork;
  /** What `auto` meant before, for a run that goes on: it stays with that. */
  readonly previous?: Backend["device"]["backend"];
}

/** An open device, and what the user should know about it. */
export interface OpenedDevice {
  /** To compile and run programs on; the caller disposes of it. */
  readonly backend: Backend;
  /** It is not what was asked for, or slower than it could be. */
  readonly warnings: string[];
  /** How it was decided. */
  readonly notes: string[];
}

/** Where devices come from; tests bring their own. */
export interface DeviceSources {
  listAdapters(): Promise<FoundAdapter[]>;
  /**
   * Those that can be worked with through their drivers themselves.
   *
   * @throws {Error} If there is no Vulkan; with the reason, in one line.
   */
  listVulkan(): Promise<FoundAdapter[]>;
  /** Of the PCI bus, whether or not a driver shows them. */
  listCards(): Card[];
  openCpu: typeof openCpuBackend;
  openGpu(
    adapter: FoundAdapter,
    options: { precision: Precision },
  ): Promise<Backend>;
  measureSpeed: typeof measureSpeed;
}

/** The devices of this machine. */
export const SYSTEM_DEVICES: DeviceSources = {
  listAdapters,
  async listVulkan() {
    const { listVulkanAdapters } = await import("./vulkan/adapters.ts");
    return listVulkanAdapters();
  },
  listCards,
  openCpu: openCpuBackend,
  async openGpu(adapter, options) {
    // Only who opens an adapter needs the generators of shaders.
    const { openWebGpuBackend } = await import("./webgpu/webgpu_backend.ts");
    return await openWebGpuBackend(adapter, options);
  },
  measureSpeed,
};

/** What the parts of {@linkcode openBackend} work with. */
interface Opening {
  readonly choice: DeviceChoice;
  readonly sources: DeviceSources;
  /** Of this attempt; of another one they would be wrong. */
  readonly warnings: string[];
}

/**
 * Opens the device that a choice means, or the next best with a warning.
 *
 * @throws {UserError} With exit code 2, if `strict` and the device, the
 * precision or the native code is not there.
 */
export async function openBackend(
  choice: DeviceChoice,
  sources: DeviceSources = SYSTEM_DEVICES,
): Promise<OpenedDevice> {
  const warnings: string[] = [];
  const { adapter, notes } = await findAdapter({ choice, sources, warnings });
  const onGpu: Opening = { choice, sources, warnings: [...warnings] };
  const onCpu: Opening = { choice, sources, warnings };
  const gpu = adapter && await openGpu(adapter, onGpu, onCpu);
  if (!gpu) return { backend: await openCpu(onCpu), warnings, notes };
  const takeGpu = { backend: gpu, warnings: onGpu.warnings, notes: [] };
  if (!isProbed(choice)) return takeGpu;

  await using opened = new AsyncDisposableStack();
  opened.defer(() => gpu.dispose());
  const cpu = await openCpu(onCpu).catch((error) => {
    if (choice.strict) return null; // it lacks what the GPU has
    throw error;
  });
  if (cpu) opened.defer(() => cpu.dispose());
  const result = cpu && await compare({ gpu, cpu }, choice.work, sources);
  opened.move();
  if (!result) return takeGpu;
  notes.push(result.note);
  await (result.faster === "cpu" ? gpu : cpu).dispose();
  return result.faster === "cpu"
    ? { backend: cpu, warnings, notes }
    : { ...takeGpu, notes };
}

/** The adapter that is meant; null is the CPU. And what to know about it. */
async function findAdapter(
  { choice, sources, warnings }: Opening,
): Promise<{ adapter: FoundAdapter | null; notes: string[] }> {
  const isCpu = /^\s*cpu(:0)?\s*$/i.test(choice.device) ||
    isAuto(choice) && choice.previous === "cpu";
  // Who wants the CPU has no use for drivers being loaded.
  const vulkan = isVulkanRequest(choice.device)
    ? await listVulkan(sources)
    : { found: [], problem: null };
  const found = [
    ...vulkan.found,
    ...isCpu ? [] : await sources.listAdapters(),
  ];
  const chosen = chooseDevice(isCpu ? "cpu" : choice.device, {
    cpu: readCpuInfo().name,
    adapters: found.map(({ info }) => info),
    noVulkan: vulkan.problem,
  }, choice);
  warnings.push(...chosen.warnings);
  const adapter = found.find(({ info }) => info === chosen.adapter) ?? null;
  const isMissed = adapter === null && !isCpu && isAuto(choice);
  const maker = isMissed
    ? makerOfUnseen({ cards: sources.listCards(), adapters: [] })
    : null;
  const notes = maker === null ? [] : [
    `Device auto takes the CPU: there is a card by ${maker}, but no driver ` +
    "shows it; hearth doctor says why",
  ];
  return { adapter, notes };
}

/** The devices of Vulkan's drivers, or why there is no Vulkan. */
export async function listVulkan(
  sources: Pick<DeviceSources, "listVulkan">,
): Promise<{ found: FoundAdapter[]; problem: string | null }> {
  try {
    return { found: await sources.listVulkan(), problem: null };
  } catch (error) {
    return { found: [], problem: errorMessage(error) };
  }
}

/** Opens an adapter; null if it does not open, with a warning for the CPU. */
async function openGpu(
  adapter: FoundAdapter,
  opening: Opening,
  onCpu: Opening,
): Promise<Backend | null> {
  const { choice, sources, warnings } = opening;
  const { id, name, features } = adapter.info;
  const precision = usePrecision(
    (wanted) =>
      wanted === "fp16" && !features.includes("shader-f16")
        ? `${name} lacks shader-f16`
        : null,
    opening,
  );
  try {
    const backend = await sources.openGpu(adapter, { precision });
    const { noUnit, noRounding } = backend.device;
    if (noRounding) {
      warnings.push(
        `Cannot round to bf16 by the device: ${noRounding}: using integers`,
      );
    }
    if (noUnit) {
      warnings.push(
        `Cannot multiply matrices on matrix units: ${noUnit}: using fp32 kernels`,
      );
    }
    return backend;
  } catch (cause) {
    const problem = cause instanceof UserError
      ? cause.message
      : `Cannot open ${id} (${name}): ${errorMessage(cause)}`;
    if (choice.strict) {
      const hint = "type hearth doctor, or leave out --strict-device";
      throw new UserError(problem, { hint, exitCode: EXIT.usage, cause });
    }
    onCpu.warnings.push(`${problem}: using cpu`);
    return null;
  }
}

/** Opens the CPU, with native code where it was asked for and runs. */
async function openCpu(opening: Opening): Promise<Backend> {
  const { choice, sources, warnings } = opening;
  const { threads = 0 } = choice;
  let { gemm = "auto" } = choice;
  const precision = usePrecision(
    (wanted) => whyNotOnCpu(wanted, gemm),
    opening,
  );
  const problem = whyNoGemm(gemm);
  if (problem !== null) {
    const by = gemm === "blas" ? "by BLAS" : "in native code";
    gemm = "wasm";
    refuse(
      `Cannot multiply matrices ${by}: ${problem}`,
      "using WebAssembly",
      { hint: "use --gemm auto or wasm", opening },
    );
  }
  const backend = await sources.openCpu({
    threads,
    gemm,
    precision: precision === "bf16" ? "bf16" : "fp32",
  });
  const { noNative: missing } = backend.device;
  // There is native code for this processor alone, so only here is it missed.
  if (gemm === "auto" && missing && Deno.build.arch === "x86_64") {
    warnings.push(
      `Cannot multiply matrices in native code: ${missing}: using WebAssembly`,
    );
  }
  return backend;
}

/** Why what was asked for by name cannot multiply, or null. */
function whyNoGemm(gemm: GemmChoice): string | null {
  if (gemm !== "native" && gemm !== "blas") return null;
  try {
    loadKernels({ gemm });
    return null;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Whether GPU and CPU are to be timed: for `auto` and a small model. */
function isProbed(
  choice: DeviceChoice,
): choice is DeviceChoice & { work: StepWork } {
  const { work, previous } = choice;
  return isAuto(choice) && !previous && work !== undefined && isSmallWork(work);
}

async function compare(
  { gpu, cpu }: { gpu: Backend; cpu: Backend },
  work: StepWork,
  { measureSpeed }: DeviceSources,
): Promise<ReturnType<typeof compareDevices>> {
  const speeds = { // one after the other, as both use the host's cores
    gpu: await measureSpeed(gpu, work.product),
    cpu: await measureSpeed(cpu, work.product),
  };
  const { id, name } = gpu.device;
  return compareDevices(work, speeds, { cpu: "cpu", gpu: `${id} (${name})` });
}

function isAuto({ device }: DeviceChoice): boolean {
  return device.trim().toLowerCase() === "auto";
}

/** The precision asked for, or fp32 with a warning. */
function usePrecision(
  whyNot: (precision: Precision) => string | null,
  opening: Opening,
): Precision {
  const { precision = "fp32" } = opening.choice;
  const reason = precision === "fp32" ? null : whyNot(precision);
  if (reason === null) return precision;
  refuse(
    `Cannot compute in ${precision}: ${reason}`,
    "using fp32",
    { hint: "use --precision fp32", opening },
  );
  return "fp32";
}

/** Why the CPU cannot compute in `precision`, or null. */
function whyNotOnCpu(precision: Precision, gemm: GemmChoice): string | null {
  if (precision !== "bf16") return "the CPU backend offers fp32 and bf16";
  if (gemm === "wasm") return "WebAssembly offers fp32";
  if (gemm === "blas") return "BLAS offers fp32";
  return loadKernels().noBf16;
}

/** Warns of what is taken instead, or fails if that is not wanted. */
function refuse(
  problem: string,
  instead: string,
  { hint, opening: { choice, warnings } }: { hint: string; opening: Opening },
): void {
  if (choice.strict) {
    throw new UserError(problem, {
      hint: `${hint}, or leave out --strict-device`,
      exitCode: EXIT.usage,
    });
  }
  warnings.push(`${problem}: ${instead}`);
}
