/**
 * Native kernels: assembled at start-up, called from all threads.
 *
 * One thread assembles the code for this processor's vectors and hands the
 * addresses to the others, which call it as native_call.ts says.
 *
 * @module
 */

import { Assembler } from "./assembler.ts";
import { type Abi, emitFunction } from "./calling.ts";
import { type CpuFeatures, readCpuFeatures } from "./cpu_features.ts";
import { emitRowPowers, emitScaledSoftmax } from "./cross_entropy_code.ts";
import type { VectorWidth } from "./encoding.ts";
import { makeExecutable } from "./executable_memory.ts";
import { emitGelu } from "./gelu_code.ts";
import { emitGemmBlock } from "./gemm_block_code.ts";
import type { NativeCode } from "./native_call.ts";
import { emitNorm, emitNormBackward } from "./norm_code.ts";
import { emitPackCopy, emitPackTranspose } from "./pack_code.ts";
import { emitSoftmax, emitSoftmaxBackward } from "./softmax_code.ts";
import type { Format } from "./tile_shape.ts";

type Emit = (asm: Assembler) => void;

/** The kernels of products, by which the table below begins. */
function products(format: Format) {
  return {
    gemmBlock: (asm) => emitGemmBlock(asm, { format, aForm: "strips" }),
    packACopy: (asm) => emitPackCopy(asm, { side: "a", format }),
    packATranspose: (asm) => emitPackTranspose(asm, { side: "a", format }),
    packBCopy: (asm) => emitPackCopy(asm, { side: "b", format }),
    packBTranspose: (asm) => emitPackTranspose(asm, { side: "b", format }),
  } satisfies Record<string, Emit>;
}

/** What writes each kernel, in the order of their numbers. */
const EMITTERS = {
  ...products("f32"),
  gemmRows: (asm) => emitGemmBlock(asm, { format: "f32", aForm: "rows" }),
  geluExact: (asm) => emitGelu(asm, { tanh: false, backward: false }),
  geluExactBackward: (asm) => emitGelu(asm, { tanh: false, backward: true }),
  geluTanh: (asm) => emitGelu(asm, { tanh: true, backward: false }),
  geluTanhBackward: (asm) => emitGelu(asm, { tanh: true, backward: true }),
  softmax: emitSoftmax,
  softmaxBackward: emitSoftmaxBackward,
  layerNorm: (asm) => emitNorm(asm, { centered: true }),
  layerNormBackward: (asm) => emitNormBackward(asm, { centered: true }),
  rmsNorm: (asm) => emitNorm(asm, { centered: false }),
  rmsNormBackward: (asm) => emitNormBackward(asm, { centered: false }),
  rowPowers: emitRowPowers,
  scaledSoftmax: emitScaledSoftmax,
} satisfies Record<string, Emit>;

/** The name of a kernel. */
export type KernelName = keyof typeof EMITTERS;

/**
 * Numbers by which the kernels are called; as in kernels/native.ts. Those of
 * products in bf16 follow in the same order, from {@linkcode BF16_KERNELS} on.
 */
export const KERNEL = Object.fromEntries(
  Object.keys(EMITTERS).map((name, number) => [name, number]),
) as Record<KernelName, number>;

/** Where the kernels for bf16 begin. */
export const BF16_KERNELS = Object.keys(EMITTERS).length;

/** The machine code of all kernels, one after another. */
export interface AssembledKernels {
  readonly code: Uint8Array<ArrayBuffer>;
  /** Where each begins. */
  readonly starts: readonly number[];
  /** Where the last one ends, and constants follow. */
  readonly end: number;
}

/** The calling convention of this system. */
function systemAbi(): Abi {
  return Deno.build.os === "windows" ? "win64" : "sysv";
}

/** Assembles the kernels for vectors of `width` bits, for bf16 if they can. */
export function assembleKernels(
  width: VectorWidth,
  abi: Abi,
): AssembledKernels {
  const asm = new Assembler(width);
  const all: Emit[] = Object.values(EMITTERS);
  if (width === 512) all.push(...Object.values(products("bf16")));
  const starts = all.map((emit) => emitFunction(asm, { abi }, () => emit(asm)));
  const end = asm.position;
  asm.emitConstants();
  return { code: asm.code, starts, end };
}

/** The widest vectors there is code for, or null. */
function widestVectors(features: CpuFeatures): VectorWidth | null {
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
