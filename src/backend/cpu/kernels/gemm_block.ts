/**
 * The inner loops of every matrix product: packed blocks in, one tile out.
 *
 * A is packed in strips of MR rows, [strip][k][MR], and B in panels of NR
 * columns, [panel][k][NR], zeros beyond the edges. A panel (KC * NR * 4 bytes)
 * stays in the first-level cache while all strips pass it; the block of A
 * stays in the second. This file alone knows MR and NR: a kernel with another
 * tile replaces it together with the packing.
 * Source of the scheme: Goto & van de Geijn 2008, "Anatomy of
 * high-performance matrix multiplication"; BLIS.
 *
 * @module
 */

import { load4, madd, store4 } from "./simd";

/** Rows of a tile: 6 x 8 makes 12 accumulators of the 16 registers. */
export const MR: i32 = 6;
/** Columns of a tile: two vectors. */
export const NR: i32 = 8;
/** Depth of a block; sums run over k in blocks of this, in ascending order. */
export const KC: i32 = 768;

/**
 * `out = add + a b + bias` for one block.
 *
 * @param a Packed, `rows` rows, `depth` deep.
 * @param b Packed, `cols` columns, at least `depth` deep, the next panel
 * `panelBytes` further on.
 * @param out First element; rows are `outStride` bytes apart.
 * @param add Laid out as `out`, may be `out`; 0 for none.
 * @param bias One per column; 0 for none.
 */
export function gemmBlock(
  a: usize,
  b: usize,
  panelBytes: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  addStride: usize,
  bias: usize,
): void {
  const stripBytes = <usize> depth * MR * 4;
  for (let col = 0; col < cols; col += NR, b += panelBytes) {
    const colBytes = <usize> col << 2;
    let strip = a;
    for (let row = 0; row < rows; row += MR, strip += stripBytes) {
      tile(
        strip,
        MR * 4,
        b,
        depth,
        min(MR, rows - row),
        min(NR, cols - col),
        out + <usize> row * outStride + colBytes,
        outStride,
        add ? add + <usize> row * addStride + colBytes : 0,
        addStride,
        bias ? bias + colBytes : 0,
      );
    }
  }
}

/**
 * `out = add + a b + bias` for one tile of at most MR x NR.
 *
 * @param a MR neighbors for each k, `aStep` bytes apart: a packed strip, or
 * columns of a matrix whose rows are k. What is read beyond `rows` is unused.
 */
export function tile(
  a: usize,
  aStep: usize,
  b: usize,
  depth: i32,
  rows: i32,
  cols: i32,
  out: usize,
  outStride: usize,
  add: usize,
  addStride: usize,
  bias: usize,
): void {
  let c00 = f32x4.splat(0), c01 = c00;
  let c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00;
  let c40 = c00, c41 = c00;
  let c50 = c00, c51 = c00;
  for (let k = depth; k > 0; k--, a += aStep, b += NR * 4) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load_splat<f32>(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load_splat<f32>(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load_splat<f32>(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load_splat<f32>(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load_splat<f32>(a, 20);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
  }
  if (bias) {
    const bias0 = load4(bias, cols);
    const bias1 = cols > 4 ? load4(bias + 16, cols - 4) : f32x4.splat(0);
    c00 = f32x4.add(c00, bias0), c01 = f32x4.add(c01, bias1);
    c10 = f32x4.add(c10, bias0), c11 = f32x4.add(c11, bias1);
    c20 = f32x4.add(c20, bias0), c21 = f32x4.add(c21, bias1);
    c30 = f32x4.add(c30, bias0), c31 = f32x4.add(c31, bias1);
    c40 = f32x4.add(c40, bias0), c41 = f32x4.add(c41, bias1);
    c50 = f32x4.add(c50, bias0), c51 = f32x4.add(c51, bias1);
  }
  storeRow(out, add, c00, c01, cols);
  if (rows == 1) return;
  out += outStride, add += add ? addStride : 0;
  storeRow(out, add, c10, c11, cols);
  if (rows == 2) return;
  out += outStride, add += add ? addStride : 0;
  storeRow(out, add, c20, c21, cols);
  if (rows == 3) return;
  out += outStride, add += add ? addStride : 0;
  storeRow(out, add, c30, c31, cols);
  if (rows == 4) return;
  out += outStride, add += add ? addStride : 0;
  storeRow(out, add, c40, c41, cols);
  if (rows == 5) return;
  out += outStride, add += add ? addStride : 0;
  storeRow(out, add, c50, c51, cols);
}

/** Writes one row of a tile, its first `cols` elements. */
@inline
function storeRow(out: usize, add: usize, c0: v128, c1: v128, cols: i32): void {
  if (cols == NR) {
    if (add) {
      c0 = f32x4.add(c0, v128.load(add));
      c1 = f32x4.add(c1, v128.load(add, 16));
    }
    v128.store(out, c0);
    v128.store(out, c1, 16);
  } else storePartialRow(out, add, c0, c1, cols);
}

function storePartialRow(
  out: usize,
  add: usize,
  c0: v128,
  c1: v128,
  cols: i32,
): void {
  if (add) c0 = f32x4.add(c0, load4(add, cols));
  store4(out, c0, cols);
  if (cols <= 4) return;
  if (add) c1 = f32x4.add(c1, load4(add + 16, cols - 4));
  store4(out + 16, c1, cols - 4);
}
