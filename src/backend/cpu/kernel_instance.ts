/**
 * One thread's instance of the kernels.
 *
 * Apart from kernels.ts, so that workers do not load the machine code: they
 * are given the compiled module.
 *
 * @module
 */

import { bindBlas, type BlasLibrary } from "./blas.ts";
import { bindNative, type NativeCode } from "./native/native_call.ts";
import { TILE_SHAPE } from "./native/tile_shape.ts";

/** What a module of kernels exports; see kernels/interpreter.ts. */
export interface KernelExports {
  initThread(
    index: number,
    count: number,
    spinLimit: number,
    sharedScratch: number,
    threadScratch: number,
  ): void;
  useBlas(): void;
  useNative(mr: number, nr: number, bf16: boolean): void;
  runPhase(record: number, count: number, profile: number): void;
  callIndex(): number;
  ticketBytes(threads: number): number;
  pauseAtRandom(seed: number): void;
  abort(): void;
  isFused(): number;
  sharedScratchBytes(record: number): number;
  threadScratchBytes(record: number): number;
}

/** The compiled kernels; can be sent to other threads. */
export interface KernelCode {
  readonly module: WebAssembly.Module;
  /** Matrix kernels of the machine's own, or null. */
  readonly native: NativeCode | null;
  /** The library that multiplies matrices instead, or null. */
  readonly blas: BlasLibrary | null;
  /** Whether it multiplies matrices in bf16, with sums in f32. */
  readonly bf16: boolean;
}

/** Instantiates the kernels on a memory. */
export function instantiate(
  { module, native: code, blas: library, bf16 }: KernelCode,
  memory: WebAssembly.Memory,
): KernelExports {
  // performance.now() alone counts from the start of its own thread.
  const now = () => performance.timeOrigin + performance.now();
  const native = code ? bindNative(code, memory) : unreachable;
  const blas = library ? bindBlas(library, memory) : unreachable;
  const instance = new WebAssembly.Instance(module, {
    env: { memory, now, native, blas },
  });
  const kernels = instance.exports as unknown as KernelExports;
  if (code) {
    const { mr, nr } = TILE_SHAPE[code.width];
    kernels.useNative(mr, nr, bf16);
  }
  if (library) kernels.useBlas();
  return kernels;
}

function unreachable(): never {
  throw new Error("There is no native code to call");
}
