/**
 * The compiled kernels: picks what this machine can run.
 *
 * The WebAssembly is in kernels_wasm.ts, made from kernels/ by
 * scripts/build_kernels.ts; the machine's own code for matrix products is
 * assembled by native/.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { withGeneration } from "../kernel_generation.ts";
import { BLAS, blasIsRight, type BlasLibrary } from "./blas.ts";
import { instantiate, type KernelCode } from "./kernel_instance.ts";
import { PLAIN_WASM, RELAXED_WASM } from "./kernels_wasm.ts";
import type { VectorWidth } from "./native/encoding.ts";
import type { NativeCode } from "./native/native_call.ts";
import { loadNative } from "./native/native_kernels.ts";
import { selfTest } from "./native/self_test.ts";

/** `relaxed` multiplies and adds in one instruction; `plain` runs anywhere. */
export type KernelBuild = "relaxed" | "plain";

/**
 * Who multiplies matrices: `native` code; the system's `blas` library; or
 * `wasm`. `auto` is the first of these that this machine offers, but that
 * BLAS counts on macOS alone: there it is part of the system.
 */
export type GemmChoice = "auto" | "native" | "blas" | "wasm";

/** What to load; absent is the best this machine accepts. */
export interface KernelChoice {
  readonly build?: KernelBuild;
  readonly gemm?: GemmChoice;
  /** Of matrix products; `bf16` rounds their factors. Absent is fp32. */
  readonly precision?: "fp32" | "bf16";
  /** Vectors of the native code, for tests. */
  readonly width?: VectorWidth;
}

/** Kernels ready to be instantiated, here and in workers. */
export interface Kernels {
  readonly build: KernelBuild;
  readonly code: KernelCode;
  /** For {@linkcode DeviceInfo.kernels}. */
  readonly label: string;
  /** Why there is no native code, or null. */
  readonly noNative: string | null;
  /** Why matrices cannot be multiplied in bf16, or null. */
  readonly noBf16: string | null;
}

/**
 * Compiles the WebAssembly and assembles the native code.
 *
 * @throws {Error} If `gemm` is `native` or `blas` or `precision` is `bf16`, and
 * there is no such code; says why.
 */
export function loadKernels(
  { build, gemm = "auto", precision, width }: KernelChoice = {},
): Kernels {
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
  const { isFused } = instantiate(
    { module, native: null, blas: null, bf16: false },
    memory,
  );
  const wasm = build === "plain"
    ? "wasm simd"
    : `wasm relaxed-simd (${isFused() ? "fused" : "not fused"})`;
  const { native, reason } = gemm === "wasm" || gemm === "blas"
    ? { native: null, reason: "not asked for" }
    : tryNative(width);
  if (gemm === "native" && native === null) throw new Error(reason ?? "");
  const isWanted = gemm === "blas" ||
    gemm === "auto" && native === null && Deno.build.os === "darwin";
  const { blas, noBlas } = isWanted
    ? tryBlas()
    : { blas: null, noBlas: "not asked for" };
  if (gemm === "blas" && blas === null) throw new Error(noBlas ?? "");
  const bf16 = precision === "bf16";
  const noBf16 = reason ?? (native?.bf16 ? null : "the processor has no bf16");
  if (bf16 && noBf16 !== null) throw new Error(noBf16);
  const own = `${native?.width === 512 ? "avx512" : "avx2"} gemm` +
    (bf16 ? " in bf16" : "");
  return {
    build,
    code: { module, native, blas, bf16 },
    label: withGeneration(
      native
        ? `native ${own}, ${wasm}`
        : blas
        ? `${blas.name} gemm, ${wasm}`
        : wasm,
      "cpu",
    ),
    noNative: reason,
    noBf16,
  };
}

/** Native code that passed its test, or the reason why there is none. */
function tryNative(
  width: VectorWidth | undefined,
): { native: NativeCode | null; reason: string | null } {
  try {
    const native = loadNative(width);
    return selfTest(native)
      ? { native, reason: null }
      : { native: null, reason: "the native kernels failed their self-test" };
  } catch (error) { // no such processor, no permission, no such library
    return { native: null, reason: errorMessage(error) };
  }
}

/** The library if it passed its test, or the reason why there is none. */
function tryBlas(): { blas: BlasLibrary | null; noBlas: string | null } {
  try {
    return blasIsRight(BLAS)
      ? { blas: BLAS, noBlas: null }
      : { blas: null, noBlas: `${BLAS.name} failed its self-test` };
  } catch (error) { // not installed, or no permission to call it
    return { blas: null, noBlas: errorMessage(error) };
  }
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
