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
  usesBf16,
} from "./native";

/** Room behind packed strips: native code writes whole vectors. */
const SPILL_BYTES: usize = 64;

/** Who multiplies, and in what. */
export const enum Code {
  wasm,
  /** f32. */
  native,
  /** Factors rounded to bf16, sums in f32. */
  bf16,
}

/** The best code for f32. */
@inline
export function exactCode(): Code {
  return nativeMr > 0 ? Code.native : Code.wasm;
}

/** The code for products of weights, in the precision that was asked for. */
@inline
export function matmulCode(): Code {
  return usesBf16 ? Code.bf16 : exactCode();
}

/** Words of 32 bits that `depth` packed elements take. */
@inline
function packedDepth(code: Code, depth: i32): i32 {
  return code == Code.bf16 ? (depth + 1) >> 1 : depth;
}

/** Rows of a strip of A. */
@inline
export function stripRows(code: Code): i32 {
  return code ? nativeMr : MR;
}

/** Columns of a panel of B. */
@inline
export function panelCols(code: Code): i32 {
  return code ? nativeNr : NR;
}

/** Bytes of `rows` packed rows of A, `depth` deep. */
@inline
export function stripsBytes(code: Code, rows: i32, depth: i32): usize {
  const mr = stripRows(code);
  const words = (rows + mr - 1) / mr * mr * packedDepth(code, depth);
  return (<usize> words << 2) + SPILL_BYTES;
}

/** Bytes of `cols` packed columns of B, `depth` deep. */
@inline
export function panelsBytes(code: Code, cols: i32, depth: i32): usize {
  const nr = panelCols(code);
  return <usize> ((cols + nr - 1) / nr * nr) * packedDepth(code, depth) * 4;
}

/** See `packA`. */
export function packStrips(
  code: Code,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  rows: i32,
  depth: i32,
): void {
  const bf16 = code == Code.bf16;
  if (code) nativePackA(bf16, to, from, stride, trans, rows, depth);
  else packA(to, from, stride, trans, rows, depth);
}

/** See `packB`. */
export function packPanels(
  code: Code,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  const bf16 = code == Code.bf16;
  if (code) nativePackB(bf16, to, from, stride, trans, cols, depth);
  else packB(to, from, stride, trans, cols, depth);
}

/** See `gemmBlock`. */
export function multiplyBlock(
  code: Code,
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
  if (code) {
    nativeGemmBlock(
      code == Code.bf16,
      a,
      <usize> nativeMr << 2,
      b,
      panelBytes,
      rows,
      cols,
      packedDepth(code, depth),
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
 * `out += a b` for one strip of A in f32, which need not be packed.
 *
 * @param a `stripRows` neighbors for each k, `aStep` bytes apart. What is read
 * beyond `rows` is unused.
 */
export function addStrip(
  code: Code,
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
  if (code) {
    nativeGemmBlock(
      code == Code.bf16,
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
