/**
 * The compiled kernels: picks the build this machine can run.
 *
 * The machine code is in kernels_wasm.ts, made from kernels/ by
 * scripts/build_kernels.ts.
 *
 * @module
 */

import { instantiate } from "./kernel_instance.ts";
import { PLAIN_WASM, RELAXED_WASM } from "./kernels_wasm.ts";

/** `relaxed` multiplies and adds in one instruction; `plain` runs anywhere. */
export type KernelBuild = "relaxed" | "plain";

/** A module ready to be instantiated, here and in workers. */
export interface Kernels {
  readonly build: KernelBuild;
  readonly module: WebAssembly.Module;
  /** For {@linkcode DeviceInfo.kernels}. */
  readonly label: string;
}

/** Compiles `build`, or the best one that this machine accepts. */
export function loadKernels(build?: KernelBuild): Kernels {
  const relaxed = decode(RELAXED_WASM);
  build ??= WebAssembly.validate(relaxed) ? "relaxed" : "plain";
  const module = new WebAssembly.Module(
    build === "relaxed" ? relaxed : decode(PLAIN_WASM),
  );
  const memory = new WebAssembly.Memory({
    initial: 1,
    maximum: 1,
    shared: true,
  });
  const { isFused } = instantiate(module, memory);
  const label = build === "plain"
    ? "wasm simd"
    : `wasm relaxed-simd (${isFused() ? "fused" : "not fused"})`;
  return { build, module, label };
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
