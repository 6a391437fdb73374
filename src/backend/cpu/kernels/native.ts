/**
 * The door to native code: kernels assembled for this processor.
 *
 * The code is made by ../native/ and called through an imported function with
 * the address of its arguments, 32-bit words in the order of
 * `GEMM_BLOCK_ARGS`, `PACK_ARGS` and the like there. A call costs some tens of ns.
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
  gemmRows,
  geluExact,
  geluExactBackward,
  geluTanh,
  geluTanhBackward,
  softmax,
  softmaxBackward,
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
  rowPowers,
  scaledSoftmax,
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

/** Whether there is native code. */
@inline
export function hasNative(): bool {
  return nativeMr > 0;
}

/** The GELU of `n` elements, and what follows up to a multiple of 16. */
export function nativeGelu(tanh: bool, out: usize, x: usize, n: i32): void {
  callGelu(tanh ? Kernel.geluTanh : Kernel.geluExact, out, x, 0, n);
}

/** The gradient of {@linkcode nativeGelu}. */
export function nativeGeluBackward(
  tanh: bool,
  out: usize,
  x: usize,
  dOut: usize,
  n: i32,
): void {
  const kernel = tanh ? Kernel.geluTanhBackward : Kernel.geluExactBackward;
  callGelu(kernel, out, x, dOut, n);
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

/**
 * Softmax of rows of scores in place; see `SOFTMAX_ARGS`. The log-sum-exp of a
 * row is its `mosts` + log of its `sums`.
 */
export function nativeSoftmax(
  p: usize,
  stride: usize,
  rows: i32,
  seen: i32,
  keys: i32,
  scale: f32,
  mosts: usize,
  sums: usize,
): void {
  const args = nativeArgs;
  store<u32>(args, <u32> p);
  store<u32>(args, <u32> stride, 4);
  store<u32>(args, rows, 8);
  store<u32>(args, seen, 12);
  store<u32>(args, keys, 16);
  store<f32>(args, scale, 20);
  store<u32>(args, <u32> mosts, 24);
  store<u32>(args, <u32> sums, 28);
  callNative(Kernel.softmax, args);
}

/** The gradient of {@linkcode nativeSoftmax}; see `SOFTMAX_BACKWARD_ARGS`. */
export function nativeSoftmaxBackward(
  p: usize,
  d: usize,
  stride: usize,
  rows: i32,
  seen: i32,
  keys: i32,
  scale: f32,
  lse: usize,
  deltas: usize,
): void {
  const args = nativeArgs;
  store<u32>(args, <u32> p);
  store<u32>(args, <u32> d, 4);
  store<u32>(args, <u32> stride, 8);
  store<u32>(args, rows, 12);
  store<i32>(args, seen, 16);
  store<u32>(args, keys, 20);
  store<f32>(args, scale, 24);
  store<u32>(args, <u32> lse, 28);
  store<u32>(args, <u32> deltas, 32);
  callNative(Kernel.softmaxBackward, args);
}

/** Rows of a norm; see `NORM_ARGS`. `mean` is 0 for RMSNorm. */
export function nativeNorm(
  out: usize,
  mean: usize,
  rstd: usize,
  x: usize,
  weight: usize,
  bias: usize,
  rows: i32,
  C: i32,
  eps: f32,
): void {
  if (rows <= 0) return;
  const args = nativeArgs;
  store<u32>(args, <u32> out);
  store<u32>(args, <u32> mean, 4);
  store<u32>(args, <u32> rstd, 8);
  store<u32>(args, <u32> x, 12);
  store<u32>(args, <u32> weight, 16);
  store<u32>(args, <u32> bias, 20);
  store<u32>(args, rows, 24);
  store<u32>(args, C, 28);
  store<f32>(args, <f32> 1 / <f32> C, 32);
  store<f32>(args, eps, 36);
  callNative(mean ? Kernel.layerNorm : Kernel.rmsNorm, args);
}

/** Gradients of {@linkcode nativeNorm}; see `NORM_BACKWARD_ARGS`. */
export function nativeNormBackward(
  out: usize,
  dOut: usize,
  x: usize,
  weight: usize,
  mean: usize,
  rstd: usize,
  addTo: usize,
  rows: i32,
  C: i32,
): void {
  if (rows <= 0) return;
  const args = nativeArgs;
  store<u32>(args, <u32> out);
  store<u32>(args, <u32> dOut, 4);
  store<u32>(args, <u32> x, 8);
  store<u32>(args, <u32> weight, 12);
  store<u32>(args, <u32> mean, 16);
  store<u32>(args, <u32> rstd, 20);
  store<u32>(args, <u32> addTo, 24);
  store<u32>(args, rows, 28);
  store<u32>(args, C, 32);
  store<f32>(args, <f32> 1 / <f32> C, 36);
  callNative(mean ? Kernel.layerNormBackward : Kernel.rmsNormBackward, args);
}

/**
 * Largest element of each row of V, and the sum of e^(element - largest): the
 * log-sum-exp is the first + log of the second.
 */
export function nativeRowPowers(
  x: usize,
  rows: i32,
  V: i32,
  mosts: usize,
  sums: usize,
): void {
  if (rows <= 0) return;
  const args = nativeArgs;
  store<u32>(args, <u32> x);
  store<u32>(args, rows, 4);
  store<u32>(args, V, 8);
  store<u32>(args, <u32> mosts, 12);
  store<u32>(args, <u32> sums, 16);
  callNative(Kernel.rowPowers, args);
}

/** `out = factor e^(x - lse)` for one row of V. */
export function nativeScaledSoftmax(
  out: usize,
  x: usize,
  V: i32,
  lse: f32,
  factor: f32,
): void {
  const args = nativeArgs;
  store<u32>(args, <u32> out);
  store<u32>(args, <u32> x, 4);
  store<u32>(args, V, 8);
  store<f32>(args, lse, 12);
  store<f32>(args, factor, 16);
  callNative(Kernel.scaledSoftmax, args);
}
