/**
 * Which code packs and multiplies: the machine's own, or WebAssembly.
 *
 * Both have the same layouts with other tile sizes. Callers say which they
 * want, and pack and multiply with the same.
 *
 * @module
 */

import { gemmBlock, MR, NR, tile } from "./gemm_block";
import { packA, packB } from "./gemm_pack";
import {
  nativeGemmBlock,
  nativeMr,
  nativeNr,
  nativePackA,
  nativePackB,
} from "./native";

/** Room behind packed strips: native code writes whole vectors. */
const SPILL_BYTES: usize = 64;

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

/** Bytes of `rows` packed rows of A, `depth` deep. */
@inline
export function stripsBytes(native: bool, rows: i32, depth: i32): usize {
  const mr = stripRows(native);
  return <usize> ((rows + mr - 1) / mr * mr) * depth * 4 + SPILL_BYTES;
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

/** See `gemmBlock`. */
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
    nativeGemmBlock(
      a,
      <usize> nativeMr << 2,
      b,
      panelBytes,
      rows,
      cols,
      depth,
      out,
      outStride,
      add,
      bias,
    );
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

/**
 * `out += a b` for one strip of A, which need not be packed.
 *
 * @param a `stripRows` neighbors for each k, `aStep` bytes apart. What is read
 * beyond `rows` is unused.
 */
export function addStrip(
  native: bool,
  a: usize,
  aStep: usize,
  b: usize,
  panelBytes: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
): void {
  if (native) {
    nativeGemmBlock(
      a,
      aStep,
      b,
      panelBytes,
      rows,
      cols,
      depth,
      out,
      outStride,
      out,
      0,
    );
    return;
  }
  for (let col = 0; col < cols; col += NR, b += panelBytes, out += NR * 4) {
    tile(
      a,
      aStep,
      b,
      depth,
      rows,
      min(NR, cols - col),
      out,
      outStride,
      out,
      outStride,
      0,
    );
  }
}
