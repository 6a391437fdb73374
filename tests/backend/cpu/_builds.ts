/**
 * Every set of kernels that this machine can run, for tests that loop.
 *
 * @module
 */

import {
  type KernelChoice,
  loadKernels,
} from "../../../src/backend/cpu/kernels.ts";
import { errorMessage } from "../../../src/base/errors.ts";

/** Why the system's BLAS cannot be tested here, or null. */
export const noBlas: string | null = (() => {
  try {
    loadKernels({ gemm: "blas" });
    return null;
  } catch (error) {
    return errorMessage(error);
  }
})();

/** Kernels to test, by the name that test titles show. */
export const cpuBuilds: Readonly<Record<string, KernelChoice>> = (() => {
  const builds: Record<string, KernelChoice> = {
    plain: { build: "plain", gemm: "wasm" },
  };
  const best = loadKernels();
  if (best.build === "relaxed") {
    builds.relaxed = { build: "relaxed", gemm: "wasm" };
  }
  const { native } = best.code;
  if (native) builds["native avx2"] = { gemm: "native", width: 256 };
  if (native?.width === 512) {
    builds["native avx512"] = { gemm: "native", width: 512 };
  }
  if (noBlas === null) builds.blas = { gemm: "blas" };
  return builds;
})();

/** The name of what a user gets who asks for nothing else. */
export const bestBuild: string = Object.keys(cpuBuilds).filter((name) =>
  name !== "blas"
).at(-1)!;
