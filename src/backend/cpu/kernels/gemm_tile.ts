/**
 * One thread's matrix product against a B that is packed already, or can be
 * read where it is stored.
 *
 * A is packed, if it must be, block by block as it goes. Both the threads' tiles of a large
 * product and the small products inside attention are made of this.
 *
 * @module
 */

import { KC } from "./gemm_block";
import {
  Code,
  multiplyBlock,
  multiplyPacked,
  packedStep,
  packPanels,
  panelCols,
  panelsBytes,
  wholeStripsBytes,
} from "./gemm_kernel";

/** Packs all of a small B for {@linkcode multiplyTile}. */
export function packWhole(
  code: Code,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  for (let k = 0; k < depth; k += KC) {
    const blockDepth = min(KC, depth - k);
    const at = trans ? <usize> k : <usize> k * stride;
    packPanels(
      code,
      to,
      from + (at << 2),
      stride,
      trans,
      cols,
      blockDepth,
    );
    to += panelsBytes(code, cols, blockDepth);
  }
}

/**
 * `out = add + op(a) b + bias`.
 *
 * @param code What multiplies; `b` was packed for it.
 * @param a First element used; rows (or, if `transA`, columns of op(a)) are
 * `aStride` elements apart.
 * @param aPack Room for the packed rows of A, at most KC deep.
 * @param b Packed as [block of KC][panel][k][NR], `bCols` wide and `bDepth`
 * deep, of which `cols` from `col` on and the first `depth` are used.
 * @param bStride Not 0 if `b` is not packed: elements between its rows.
 * @param out First element; rows of it and of `add` are `outStride` bytes
 * apart. `add` and `bias` are 0 for none.
 */
export function multiplyTile(
  code: Code,
  a: usize,
  aStride: i32,
  transA: bool,
  aPack: usize,
  b: usize,
  bStride: i32,
  bCols: i32,
  bDepth: i32,
  col: i32,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  for (let k = 0; k < depth; k += KC) {
    const blockDepth = min(KC, depth - k), packedDepth = min(KC, bDepth - k);
    const at = transA ? <usize> k * aStride : <usize> k;
    multiplyBlock(
      code,
      a + (at << 2),
      aStride,
      transA,
      aPack,
      b + (bStride ? <usize> col << 2 : panelsBytes(code, col, packedDepth)),
      bStride
        ? packedStep(code)
        : panelsBytes(code, panelCols(code), packedDepth),
      bStride ? <usize> bStride << 2 : packedStep(code),
      rows,
      cols,
      blockDepth,
      out,
      outStride,
      add,
      bias,
    );
    b += bStride
      ? <usize> (bStride * KC) << 2
      : panelsBytes(code, bCols, packedDepth);
    // The first block starts the sum, the others add to what is there.
    add = out;
    bias = 0;
  }
}

/**
 * The same for factors that are both packed, in blocks of KC.
 *
 * @param a [block of KC][strip][k][MR], `aRows` rows in whole strips, of which
 * `rows` from `row` on are used.
 * @param bDepth How deep both are.
 */
export function multiplyPackedTile(
  code: Code,
  a: usize,
  aRows: i32,
  row: i32,
  b: usize,
  bCols: i32,
  bDepth: i32,
  col: i32,
  rows: i32,
  cols: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  for (let k = 0; k < bDepth; k += KC) {
    const depth = min(KC, bDepth - k);
    multiplyPacked(
      code,
      a + wholeStripsBytes(code, row, depth),
      b + panelsBytes(code, col, depth),
      panelsBytes(code, panelCols(code), depth),
      packedStep(code),
      rows,
      cols,
      depth,
      out,
      outStride,
      add,
      bias,
    );
    a += wholeStripsBytes(code, aRows, depth);
    b += panelsBytes(code, bCols, depth);
    add = out;
    bias = 0;
  }
}
