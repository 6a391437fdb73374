/**
 * Packing: copies parts of A and B into the order the inner loops read them.
 *
 * Every transpose happens here, four by four in registers, so that the inner
 * loops know one layout only. Memory bound; each element is packed once per
 * block that uses it.
 *
 * @module
 */

import { MR, NR } from "./gemm_block";
import { load4 } from "./simd";

/**
 * Packs `rows` x `depth` of A into strips [strip][k][MR].
 *
 * @param stride Elements between rows of A as stored.
 * @param trans Whether A is stored as (depth, rows).
 */
export function packA(
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  rows: i32,
  depth: i32,
): void {
  const strideBytes = <usize> stride << 2;
  for (let row = 0; row < rows; row += MR) {
    const left = min(MR, rows - row);
    if (trans) {
      const strip = from + (<usize> row << 2);
      if (left == MR) copyStrip(to, strip, strideBytes, depth);
      else copyPart(to, strip, strideBytes, left, MR, depth);
    } else {
      const strip = from + <usize> row * strideBytes;
      if (left == MR) transposeStrip(to, strip, strideBytes, depth);
      else transposePart(to, strip, strideBytes, left, MR, depth);
    }
    to += <usize> depth * MR * 4;
  }
}

/**
 * Packs `depth` x `cols` of B into panels [panel][k][NR].
 *
 * @param stride Elements between rows of B as stored.
 * @param trans Whether B is stored as (cols, depth).
 */
export function packB(
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  const strideBytes = <usize> stride << 2;
  for (let col = 0; col < cols; col += NR) {
    const left = min(NR, cols - col);
    if (trans) {
      const panel = from + <usize> col * strideBytes;
      if (left == NR) transposePanel(to, panel, strideBytes, depth);
      else transposePart(to, panel, strideBytes, left, NR, depth);
    } else {
      const panel = from + (<usize> col << 2);
      if (left == NR) copyPanel(to, panel, strideBytes, depth);
      else copyPart(to, panel, strideBytes, left, NR, depth);
    }
    to += <usize> depth * NR * 4;
  }
}

/** Six neighbors per k. */
function copyStrip(to: usize, from: usize, stride: usize, depth: i32): void {
  for (let k = 0; k < depth; k++, to += 24, from += stride) {
    v128.store(to, v128.load(from));
    store<u64>(to, load<u64>(from, 16), 16);
  }
}

/** Eight neighbors per k. */
function copyPanel(to: usize, from: usize, stride: usize, depth: i32): void {
  for (let k = 0; k < depth; k++, to += 32, from += stride) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
  }
}

/** Fewer neighbors than a full strip or panel: the rest is zero. */
function copyPart(
  to: usize,
  from: usize,
  stride: usize,
  left: i32,
  width: i32,
  depth: i32,
): void {
  for (let k = 0; k < depth; k++, from += stride) {
    for (let i = 0; i < width; i++, to += 4) {
      store<f32>(to, i < left ? load<f32>(from + (<usize> i << 2)) : 0);
    }
  }
}

/** Fewer rows than a full strip or panel: the rest is zero. */
function transposePart(
  to: usize,
  from: usize,
  stride: usize,
  left: i32,
  width: i32,
  depth: i32,
): void {
  for (let k = 0; k < depth; k++, from += 4) {
    let row = from;
    for (let i = 0; i < width; i++, to += 4, row += stride) {
      store<f32>(to, i < left ? load<f32>(row) : 0);
    }
  }
}

/** Six rows side by side. */
function transposeStrip(
  to: usize,
  from: usize,
  stride: usize,
  depth: i32,
): void {
  for (let k = 0; k < depth; k += 4, from += 16, to += 96) {
    const left = depth - k;
    const r0 = load4(from, left), r1 = load4(from + stride, left);
    const r2 = load4(from + 2 * stride, left);
    const r3 = load4(from + 3 * stride, left);
    const r4 = load4(from + 4 * stride, left);
    const r5 = load4(from + 5 * stride, left);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    const low45 = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5);
    const high45 = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f64>(low01, low23, 0, 2));
    v128.store64_lane(to, low45, 0, 16);
    if (left == 1) break;
    v128.store(to, v128.shuffle<f64>(low01, low23, 1, 3), 24);
    v128.store64_lane(to, low45, 1, 40);
    if (left == 2) break;
    v128.store(to, v128.shuffle<f64>(high01, high23, 0, 2), 48);
    v128.store64_lane(to, high45, 0, 64);
    if (left == 3) break;
    v128.store(to, v128.shuffle<f64>(high01, high23, 1, 3), 72);
    v128.store64_lane(to, high45, 1, 88);
  }
}

/** Eight rows side by side: four at a time. */
function transposePanel(
  to: usize,
  from: usize,
  stride: usize,
  depth: i32,
): void {
  for (let half: usize = 0; half < 2; half++, to += 16, from += 4 * stride) {
    let put = to, get = from;
    for (let k = 0; k < depth; k += 4, get += 16, put += 128) {
      const left = depth - k;
      const r0 = load4(get, left), r1 = load4(get + stride, left);
      const r2 = load4(get + 2 * stride, left);
      const r3 = load4(get + 3 * stride, left);
      const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      v128.store(put, v128.shuffle<f64>(low01, low23, 0, 2));
      if (left == 1) break;
      v128.store(put, v128.shuffle<f64>(low01, low23, 1, 3), 32);
      if (left == 2) break;
      v128.store(put, v128.shuffle<f64>(high01, high23, 0, 2), 64);
      if (left == 3) break;
      v128.store(put, v128.shuffle<f64>(high01, high23, 1, 3), 96);
    }
  }
}
