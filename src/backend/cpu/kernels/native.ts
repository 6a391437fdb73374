/**
 * The door to native code: matrix kernels assembled for this processor.
 *
 * The code is made by ../native/ and called through an imported function with
 * the address of its arguments, 32-bit words in the order of
 * `GEMM_BLOCK_ARGS` and `PACK_ARGS` there. A call costs some tens of ns.
 *
 * @module
 */

import { MASK_TABLE } from "./constants";
import { nativeArgs } from "./threads";

/** Calls kernel number `kernel` of ../native/native_kernels.ts. */
@external("env", "native")
declare function callNative(kernel: i32, args: usize): void;

/** Numbers of the kernels, in the order of ../native/native_kernels.ts. */
const enum Kernel {
  gemmBlock,
  packACopy,
  packATranspose,
  packBCopy,
  packBTranspose,
  gelu,
  geluBackward,
  gemmRows,
  /** From here on the same for bf16. */
  bf16,
}

/** Rows and columns of a native tile; 0 when there is no native code. */
export let nativeMr: i32 = 0;
export let nativeNr: i32 = 0;

/** Whether matmul multiplies in bf16. */
export let usesBf16: bool = false;

/** Sets the tile of the native code; once per instance, before any call. */
export function useNative(mr: i32, nr: i32, bf16: bool): void {
  nativeMr = mr;
  nativeNr = nr;
  usesBf16 = bf16;
}

/** As `packA` of gemm_pack.ts; writes up to 64 bytes beyond the last strip. */
export function nativePackA(
  bf16: bool,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  rows: i32,
  depth: i32,
): void {
  const kernel = trans ? Kernel.packACopy : Kernel.packATranspose;
  callPack(bf16, kernel, to, from, stride, rows, depth);
}

/** As `packB` of gemm_pack.ts. */
export function nativePackB(
  bf16: bool,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  const kernel = trans ? Kernel.packBTranspose : Kernel.packBCopy;
  callPack(bf16, kernel, to, from, stride, cols, depth);
}

function callPack(
  bf16: bool,
  kernel: Kernel,
  to: usize,
  from: usize,
  stride: i32,
  count: i32,
  depth: i32,
): void {
  const args = nativeArgs;
  store<u32>(args, <u32> to);
  store<u32>(args, <u32> from, 4);
  store<u32>(args, stride << 2, 8);
  store<u32>(args, count, 12);
  store<u32>(args, depth, 16);
  store<u32>(args, <u32> MASK_TABLE, 20);
  callNative(bf16 ? Kernel.bf16 + kernel : kernel, args);
}

/**
 * As `gemmBlock` of gemm_block.ts, with `add` laid out as `out`.
 *
 * @param bf16 Whether A and B are pairs of bf16; `depth` counts pairs then.
 * @param aStep Bytes from one k of A to the next; more than packed, and there
 * may be one strip only.
 * @param bStep Bytes from one k of B to the next.
 */
export function nativeGemmBlock(
  bf16: bool,
  a: usize,
  aStep: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  callGemm(
    bf16 ? Kernel.bf16 + Kernel.gemmBlock : Kernel.gemmBlock,
    a,
    aStep,
    b,
    panelBytes,
    bStep,
    rows,
    cols,
    depth,
    out,
    outStride,
    add,
    bias,
  );
}

/** The same for rows of A where they are stored, `aStride` bytes apart. */
export function nativeGemmRows(
  a: usize,
  aStride: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  callGemm(
    Kernel.gemmRows,
    a,
    aStride,
    b,
    panelBytes,
    bStep,
    rows,
    cols,
    depth,
    out,
    outStride,
    add,
    bias,
  );
}

function callGemm(
  kernel: Kernel,
  a: usize,
  aStep: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  const args = nativeArgs;
  store<u32>(args, <u32> a);
  store<u32>(args, <u32> aStep, 4);
  store<u32>(args, <u32> b, 8);
  store<u32>(args, <u32> panelBytes, 12);
  store<u32>(args, <u32> bStep, 16);
  store<u32>(args, rows, 20);
  store<u32>(args, cols, 24);
  store<u32>(args, depth, 28);
  store<u32>(args, <u32> out, 32);
  store<u32>(args, <u32> outStride, 36);
  store<u32>(args, <u32> add, 40);
  store<u32>(args, <u32> bias, 44);
  store<u32>(args, <u32> MASK_TABLE, 48);
  callNative(kernel, args);
}

/** The GELU by tanh of `n` elements, and what follows up to a multiple of 16. */
export function nativeGelu(out: usize, x: usize, n: i32): void {
  callGelu(Kernel.gelu, out, x, 0, n);
}

/** The gradient of {@linkcode nativeGelu}. */
export function nativeGeluBackward(
  out: usize,
  x: usize,
  dOut: usize,
  n: i32,
): void {
  callGelu(Kernel.geluBackward, out, x, dOut, n);
}

function callGelu(
  kernel: Kernel,
  out: usize,
  x: usize,
  dOut: usize,
  n: i32,
): void {
  if (n <= 0) return;
  const args = nativeArgs;
  store<u32>(args, <u32> out);
  store<u32>(args, <u32> x, 4);
  store<u32>(args, <u32> dOut, 8);
  store<u32>(args, n, 12);
  callNative(kernel, args);
}
