/**
 * Native matrix kernels: assembled at start-up, called from all threads.
 *
 * One thread assembles the code for this processor's vectors and hands the
 * addresses to the others, which call it as native_call.ts says.
 *
 * @module
 */

import { Assembler, type VectorWidth } from "./assembler.ts";
import { type Abi, emitFunction } from "./calling.ts";
import { type CpuFeatures, readCpuFeatures } from "./cpu_features.ts";
import { makeExecutable } from "./executable_memory.ts";
import { emitGemmBlock } from "./gemm_block_code.ts";
import { emitGelu } from "./gelu_code.ts";
import type { NativeCode } from "./native_call.ts";
import { emitPackCopy, emitPackTranspose } from "./pack_code.ts";
import type { Format } from "./tile_shape.ts";

/**
 * Numbers by which the kernels are called; as in kernels/native.ts. Those of
 * products in bf16 follow in the same order, from {@linkcode BF16_KERNELS} on.
 */
export const KERNEL = {
  gemmBlock: 0,
  packACopy: 1,
  packATranspose: 2,
  packBCopy: 3,
  packBTranspose: 4,
  gelu: 5,
  geluBackward: 6,
  gemmRows: 7,
} as const;

/** Where the kernels for bf16 begin. */
export const BF16_KERNELS = 8;

/** The kernels of products, in the order of their numbers. */
function emitters(format: Format): ((asm: Assembler) => void)[] {
  return [
    (asm) => emitGemmBlock(asm, { format, aForm: "strips" }),
    (asm) => emitPackCopy(asm, { side: "a", format }),
    (asm) => emitPackTranspose(asm, { side: "a", format }),
    (asm) => emitPackCopy(asm, { side: "b", format }),
    (asm) => emitPackTranspose(asm, { side: "b", format }),
  ];
}

/** The machine code of all kernels, one after another. */
export interface AssembledKernels {
  readonly code: Uint8Array<ArrayBuffer>;
  /** Where each begins. */
  readonly starts: readonly number[];
}

/** The calling convention of this system. */
export function systemAbi(): Abi {
  return Deno.build.os === "windows" ? "win64" : "sysv";
}

/** Assembles the kernels for vectors of `width` bits, for bf16 if they can. */
export function assembleKernels(
  width: VectorWidth,
  abi: Abi,
): AssembledKernels {
  const asm = new Assembler(width);
  const all = [
    ...emitters("f32"),
    (asm: Assembler) => emitGelu(asm, false),
    (asm: Assembler) => emitGelu(asm, true),
    (asm: Assembler) => emitGemmBlock(asm, { format: "f32", aForm: "rows" }),
  ];
  if (width === 512) all.push(...emitters("bf16"));
  const starts = all.map((emit) => emitFunction(asm, { abi }, () => emit(asm)));
  return { code: asm.code, starts };
}

/** The widest vectors there is code for, or null. */
export function widestVectors(features: CpuFeatures): VectorWidth | null {
  return features.avx512 ? 512 : features.avx2 ? 256 : null;
}

/**
 * Assembles the kernels for this processor.
 *
 * @param width Narrower than the widest, for tests.
 * @throws {Error} If the processor has no such vectors, or the system does not
 * let memory be executed; the message says which.
 */
export function loadNative(width?: VectorWidth): NativeCode {
  const abi = systemAbi();
  const features = readCpuFeatures(abi);
  const widest = widestVectors(features);
  if (widest === null || (width ?? 0) > widest) {
    throw new Error(
      `the processor has no ${width === 512 ? "AVX-512" : "AVX2 with FMA"}`,
    );
  }
  const chosen = width ?? widest;
  const { code, starts } = assembleKernels(chosen, abi);
  const address = makeExecutable(code);
  return {
    width: chosen,
    bf16: chosen === 512 && features.avx512Bf16,
    addresses: starts.map((start) => address + BigInt(start)),
  };
}
