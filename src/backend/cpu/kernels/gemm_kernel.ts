/**
 * Which code packs and multiplies: the machine's own, or WebAssembly.
 *
 * Both have the same layouts with other tile sizes. The products of matmul
 * are large enough to be worth a native call; those inside attention are not,
 * so callers say which they want.
 *
 * @module
 */

import { gemmBlock, MR, NR } from "./gemm_block";
import { packA, packB } from "./gemm_pack";
import {
  nativeGemmBlock,
  nativeMr,
  nativeNr,
  nativePackA,
  nativePackB,
} from "./native";

/** Whether there is native code. */
@inline
export function hasNative(): bool {
  return nativeMr > 0;
}

/** Rows of a strip of A. */
@inline
export function stripRows(native: bool): i32 {
  return native ? nativeMr : MR;
}

/** Columns of a panel of B. */
@inline
export function panelCols(native: bool): i32 {
  return native ? nativeNr : NR;
}

/** Bytes of `cols` packed columns of B, `depth` deep. */
@inline
export function panelsBytes(native: bool, cols: i32, depth: i32): usize {
  const nr = panelCols(native);
  return <usize> ((cols + nr - 1) / nr * nr) * depth * 4;
}

/** See `packA`. */
export function packStrips(
  native: bool,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  rows: i32,
  depth: i32,
): void {
  if (native) nativePackA(to, from, stride, trans, rows, depth);
  else packA(to, from, stride, trans, rows, depth);
}

/** See `packB`. */
export function packPanels(
  native: bool,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  if (native) nativePackB(to, from, stride, trans, cols, depth);
  else packB(to, from, stride, trans, cols, depth);
}

/** See `gemmBlock`; panels are `panelBytes` apart, natively just as deep. */
export function multiplyBlock(
  native: bool,
  a: usize,
  b: usize,
  panelBytes: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  if (native) {
    nativeGemmBlock(a, b, rows, cols, depth, out, outStride, add, bias);
  } else {
    gemmBlock(
      a,
      b,
      panelBytes,
      rows,
      cols,
      depth,
      out,
      outStride,
      add,
      outStride,
      bias,
    );
  }
}
