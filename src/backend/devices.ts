/**
 * Which devices there are, and which one a choice such as `gpu:0` means.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { Backend } from "./backend.ts";
import { readCpuInfo } from "./cpu/cores.ts";
import { openCpuBackend } from "./cpu/cpu_backend.ts";
import { type GemmChoice, loadKernels } from "./cpu/kernels.ts";
import { measureGflops } from "./cpu/measure.ts";

/** Arithmetic of matrix products. */
export type Precision = "fp32" | "bf16" | "fp16";

/** What the user asked for. */
export interface DeviceChoice {
  /** `auto`, `cpu`, `gpu`, `gpu:N`, `cuda:N`, or part of a device's name. */
  readonly device: string;
  /** CPU threads; 0 or absent is one per physical core. */
  readonly threads?: number;
  /** Who multiplies matrices on the CPU; absent is `auto`. */
  readonly gemm?: GemmChoice;
  /** Absent is fp32. */
  readonly precision?: Precision;
  /** Whether to fail where a warning would do. */
  readonly strict?: boolean;
}

/** A device of this machine, for people and for `--json`. */
export interface DeviceListing {
  readonly id: string;
  readonly backend: "cpu" | "webgpu";
  readonly name: string;
  /** Physical cores that this process may use. */
  readonly cores: number;
  readonly hardwareThreads: number;
  readonly memoryBytes: number;
  readonly kernels: string;
  /** Why matrix products do not run in native code, or null. */
  readonly noNative: string | null;
  /** Measured fp32 matrix product on all cores, or null. */
  readonly gflops: number | null;
}

/**
 * Opens the device that a choice means, or the next best with a warning.
 *
 * @throws {UserError} With exit code 2, if `strict` and the device, the
 * precision or the native code is not there.
 */
export async function openBackend(
  choice: DeviceChoice,
): Promise<{ backend: Backend; warnings: string[] }> {
  const { device, threads = 0, precision = "fp32", strict = false } = choice;
  let { gemm = "auto" } = choice;
  const { name } = readCpuInfo();
  const warnings: string[] = [];
  const refuse = (wanted: string, instead: string, hint: string) => {
    if (strict) throw new UserError(wanted, { hint, exitCode: EXIT.usage });
    warnings.push(`${wanted}: ${instead}`);
  };
  if (!meansCpu(device, name)) {
    refuse(
      `Cannot use device "${device}", this machine offers cpu (${name})`,
      "using cpu",
      "use --device cpu or auto, or leave out --strict-device",
    );
  }
  const noPrecision = precision === "fp32" ? null : whyNot(precision, gemm);
  if (noPrecision !== null) {
    refuse(
      `Cannot compute in ${precision}: ${noPrecision}`,
      "using fp32",
      "use --precision fp32, or leave out --strict-device",
    );
  }
  const noNative = gemm === "native" ? loadKernels().noNative : null;
  if (noNative !== null) {
    gemm = "wasm";
    refuse(
      `Cannot multiply matrices in native code: ${noNative}`,
      "using WebAssembly",
      "use --gemm auto or wasm, or leave out --strict-device",
    );
  }
  const bf16 = precision === "bf16" && noPrecision === null;
  const backend = await openCpuBackend({
    threads,
    gemm,
    precision: bf16 ? "bf16" : "fp32",
  });
  const { noNative: missing } = backend.device;
  // There is native code for this processor alone, so only here is it missed.
  if (gemm === "auto" && missing && Deno.build.arch === "x86_64") {
    warnings.push(
      `Cannot multiply matrices in native code: ${missing}: using WebAssembly`,
    );
  }
  return { backend, warnings };
}

/** All devices. @param options.measure Whether to time a matrix product. */
export async function listDevices(
  { measure = false }: { measure?: boolean } = {},
): Promise<DeviceListing[]> {
  const { name, cores, hardwareThreads } = readCpuInfo();
  let gflops: number | null = null;
  if (measure) {
    const backend = await openCpuBackend();
    gflops = await measureGflops(backend);
    await backend.dispose();
  }
  const { label: kernels, noNative } = loadKernels();
  return [{
    id: "cpu",
    backend: "cpu",
    name,
    cores,
    hardwareThreads,
    memoryBytes: Deno.systemMemoryInfo().total,
    kernels,
    noNative,
    gflops,
  }];
}

/** Why the CPU cannot compute in `precision`, or null. */
function whyNot(
  precision: Precision,
  gemm: GemmChoice,
): string | null {
  if (precision !== "bf16") return "the CPU backend offers fp32 and bf16";
  if (gemm === "wasm") return "WebAssembly offers fp32";
  return loadKernels().noBf16;
}

/** `auto` and `cpu` do, and so does any part of the CPU's name. */
function meansCpu(device: string, name: string): boolean {
  const wanted = device.trim().toLowerCase();
  return wanted === "auto" || wanted === "cpu" || wanted === "cpu:0" ||
    (wanted !== "" && name.toLowerCase().includes(wanted));
}
