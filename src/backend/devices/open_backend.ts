/**
 * Opens the device that a request such as `gpu:0` means, in the precision
 * asked for, or the next best with a warning.
 *
 * Which card that is and the ways to it, device_ways.ts finds out; whether a
 * small model is better off on the CPU, auto_device.ts.
 *
 * @module
 */

import { errorMessage, EXIT, UserError } from "../../base/errors.ts";
import { limitThreads } from "../../base/thread_limit.ts";
import type { Backend } from "../backend.ts";
import { type GemmChoice, loadKernels } from "../cpu/kernels.ts";
import type { FoundAdapter } from "../webgpu/device/adapters.ts";
import { compareDevices, isSmallWork, type StepWork } from "./auto_device.ts";
import { apiOf, isAuto } from "./choose_device.ts";
import {
  type DeviceSources,
  type Precision,
  SYSTEM_DEVICES,
} from "./device_sources.ts";
import { apiName, findWays } from "./device_ways.ts";
import type { PreviousDevice } from "./previous_card.ts";

/** What the user asked for. */
export interface DeviceChoice {
  /** See choose_device.ts: `auto`, `cpu`, `gpu:N`, `webgpu:N`, a name … */
  readonly device: string;
  /**
   * CPU threads; 0 or absent is one per physical core. More than the cores run
   * at a time are not started, with a warning.
   */
  readonly threads?: number;
  /** Who multiplies matrices on the CPU; absent is `auto`. */
  readonly gemm?: GemmChoice;
  /** Absent is fp32. */
  readonly precision?: Precision;
  /**
   * Whether to fail where a warning would do. It is about the card asked for,
   * and about the way to it only where that is asked for.
   */
  readonly strict?: boolean;
  /** What there is to do: with it, `auto` also considers the CPU. */
  readonly work?: StepWork;
  /**
   * What computed before, for a run that goes on: it stays with CPU or card, and
   * with the way to it, unless another one is asked for.
   */
  readonly previous?: PreviousDevice;
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
  const { ways, warnings, notes } = await findWays(choice, sources);
  const onCpu: Opening = { choice, sources, warnings };
  const { gpu, failures, ...onGpu } = await openGpu(ways, onCpu);
  warnings.push(...failures);
  if (!gpu) {
    const backend = await openCpu(onCpu);
    return { backend, warnings, notes: ways.length > 0 ? [] : notes };
  }
  const takeGpu = {
    backend: gpu,
    warnings: [...warnings, ...onGpu.warnings],
    notes,
  };
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
  const isCpuFaster = result.faster === "cpu";
  await (isCpuFaster ? gpu : cpu).dispose();
  return isCpuFaster
    ? { backend: cpu, warnings, notes: [result.note] }
    : { ...takeGpu, notes: [...notes, result.note] };
}

/** Opens a card in the first way that works; null if none does. */
async function openGpu(
  ways: readonly FoundAdapter[],
  { choice, sources }: Pick<Opening, "choice" | "sources">,
): Promise<{ gpu: Backend | null; failures: string[]; warnings: string[] }> {
  const failures: string[] = [];
  const isAsked = apiOf(choice.device) === "vulkan";
  for (const [i, way] of ways.entries()) {
    const opening: Opening = { choice, sources, warnings: [] };
    const precision = usePrecision(
      (wanted) => whyNotOnGpu(wanted, way),
      opening,
    );
    const { id, name } = way.info;
    const trials = await sources.trialsOf(way);
    try {
      if (trials.whyNot !== null && !isAsked) {
        throw new UserError(`Cannot use ${id} (${name}): ${trials.whyNot}`, {
          hint: "use --device webgpu or cpu, or type hearth doctor",
        });
      }
      const gpu = await sources.openGpu(way, { precision, trials });
      const warnings = [...opening.warnings, ...lackingOf(gpu)];
      return { gpu, failures, warnings };
    } catch (cause) {
      const problem = cause instanceof UserError
        ? cause.message
        : `Cannot open ${id} (${name}): ${errorMessage(cause)}`;
      const next = ways.at(i + 1);
      if (!next && choice.strict) {
        const hint = "type hearth doctor, or leave out --strict-device";
        throw new UserError(problem, { hint, exitCode: EXIT.usage, cause });
      }
      failures.push(`${problem}: using ${next ? apiName(next) : "cpu"}`);
    }
  }
  return { gpu: null, failures, warnings: [] };
}

/** What a card was said to do, and does not. */
function lackingOf({ device: { noUnit } }: Backend): string[] {
  if (!noUnit) return [];
  return [
    `Cannot multiply matrices on matrix units: ${noUnit}: using fp32 kernels`,
  ];
}

/** Opens the CPU, with native code where it was asked for and runs. */
async function openCpu(opening: Opening): Promise<Backend> {
  const { choice, sources, warnings } = opening;
  const { threads, warning } = limitThreads(
    choice.threads ?? 0,
    sources.hardwareThreads,
  );
  if (warning !== null) warnings.push(warning);
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
  return isAuto(choice.device) && !previous && work !== undefined &&
    isSmallWork(work);
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

/** The precision asked for, or fp32 with a warning. */
function usePrecision(
  whyNot: (precision: Precision) => string | null,
  opening: Opening,
): Precision {
  const { precision = "fp32" } = opening.choice;
  const reason = precision === "fp32" ? null : whyNot(precision);
  if (reason === null) return precision;
  const others = precision === "fp16" && whyNot("bf16") === null
    ? "bf16 or fp32"
    : "fp32";
  refuse(
    `Cannot compute in ${precision}: ${reason}`,
    "using fp32",
    { hint: `use --precision ${others}`, opening },
  );
  return "fp32";
}

/** Why an adapter cannot compute in `precision`, or null. */
function whyNotOnGpu(
  precision: Precision,
  { info: { name, features } }: FoundAdapter,
): string | null {
  return precision === "fp16" && !features.includes("shader-f16")
    ? `${name} lacks shader-f16`
    : null;
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
