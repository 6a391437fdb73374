/**
 * Attention of new rows over a cache of keys and values: generation only.
 *
 * Threads take key heads. A few rows are bound by reading the cache, once per
 * row; more rows (a prompt) pack it and go the way of attention.ts.
 *
 * @module
 */

import { scoreStride, softmaxRow, stripBytes } from "./attention";
import { scoreRows, weighRows } from "./attention_products";
import { AttentionCachedCall } from "./calls";
import { exactCode, panelsBytes, stripRows } from "./gemm_kernel";
import { packWhole } from "./gemm_tile";
import { dot, dotFour, load4, madd, store4 } from "./simd";
import { nextChunk, threadScratch } from "./threads";

/** Fewer rows than this are not worth packing the cache. */
const PACKED_ROWS: i32 = 5;

/** Bytes that each thread needs. */
export function attentionCachedScratch(c: AttentionCachedCall): usize {
  if (c.T < PACKED_ROWS) return scoreStride(c.S);
  const code = exactCode();
  return stripBytes(c.D) + <usize> stripRows(code) * scoreStride(c.S) +
    panelsBytes(code, c.S, c.D) + panelsBytes(code, c.D, c.S);
}

/** Writes the new keys and values, then attends to all up to each row. */
export function attentionCached(c: AttentionCachedCall): void {
  const heads = c.Hkv;
  for (let head = nextChunk(heads); head < heads; head = nextChunk(heads)) {
    const first = load<u32>(c.position);
    if (first + c.T > <u32> c.S) unreachable();
    extendCache(c, head, first);
    if (c.T < PACKED_ROWS) attendRows(c, head, first);
    else attendStrips(c, head, first);
  }
}

/** Copies the keys and values of one key head behind those in the cache. */
function extendCache(c: AttentionCachedCall, head: i32, first: i32): void {
  const headBytes = <usize> c.D << 2, cacheRow = <usize> (c.Hkv * c.D) << 2;
  const width = <usize> ((c.H + 2 * c.Hkv) * c.D) << 2;
  for (let t = 0; t < c.T; t++) {
    const k = c.qkv + <usize> t * width + <usize> (c.H + head) * headBytes;
    const at = <usize> (first + t) * cacheRow + <usize> head * headBytes;
    memory.copy(c.kCache + at, k, headBytes);
    memory.copy(c.vCache + at, k + cacheRow, headBytes);
  }
}

/** Row by row, straight from the cache. */
function attendRows(c: AttentionCachedCall, head: i32, first: i32): void {
  const D = c.D, headBytes = <usize> D << 2;
  const width = <usize> ((c.H + 2 * c.Hkv) * D) << 2;
  const cacheRow = <usize> c.Hkv * headBytes;
  const k = c.kCache + <usize> head * headBytes;
  const v = c.vCache + <usize> head * headBytes;
  for (let h = 0; h < c.H; h++) {
    if (h * c.Hkv / c.H != head) continue;
    for (let t = 0; t < c.T; t++) {
      const q = c.qkv + <usize> t * width + <usize> h * headBytes;
      const p = threadScratch, seen = first + t + 1;
      let j = 0;
      for (; j + 4 <= seen; j += 4) {
        const keys = k + <usize> j * cacheRow;
        v128.store(p + (<usize> j << 2), dotFour(q, keys, cacheRow, D));
      }
      for (; j < seen; j++) {
        store<f32>(p + (<usize> j << 2), dot(q, k + <usize> j * cacheRow, D));
      }
      softmaxRow(p, seen, seen, c.scale);
      const out = c.out + <usize> (t * c.H + h) * headBytes;
      for (let d = 0; d < D; d += 16) {
        const at = <usize> d << 2;
        weighColumns(out + at, p, v + at, cacheRow, seen, D - d);
      }
    }
  }
}

/** `out = sum_j p[j] v[j]` for up to 16 columns. */
function weighColumns(
  out: usize,
  p: usize,
  v: usize,
  cacheRow: usize,
  seen: i32,
  left: i32,
): void {
  let sum0 = f32x4.splat(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  for (let j = 0; j < seen; j++, p += 4, v += cacheRow) {
    const weight = v128.load_splat<f32>(p);
    sum0 = madd(weight, load4(v, left), sum0);
    sum1 = madd(weight, load4(v + 16, left - 4), sum1);
    sum2 = madd(weight, load4(v + 32, left - 8), sum2);
    sum3 = madd(weight, load4(v + 48, left - 12), sum3);
  }
  store4(out, sum0, left);
  store4(out + 16, sum1, left - 4);
  store4(out + 32, sum2, left - 8);
  store4(out + 48, sum3, left - 12);
}

/** Strips of rows against the packed cache. */
function attendStrips(c: AttentionCachedCall, head: i32, first: i32): void {
  const D = c.D, T = c.T, end = first + T, cacheWidth = c.Hkv * D;
  const width = (c.H + 2 * c.Hkv) * D, outStride = <usize> (c.H * D) << 2;
  const cacheAt = <usize> (head * D) << 2;
  const aPack = threadScratch, stride = scoreStride(c.S);
  const scores = aPack + stripBytes(D);
  const code = exactCode(), mr = stripRows(code);
  const kPack = scores + <usize> mr * stride;
  const vPack = kPack + panelsBytes(code, c.S, D);
  packWhole(code, kPack, c.kCache + cacheAt, cacheWidth, true, end, D);
  packWhole(code, vPack, c.vCache + cacheAt, cacheWidth, false, D, end);
  for (let h = 0; h < c.H; h++) {
    if (h * c.Hkv / c.H != head) continue;
    for (let t = 0; t < T; t += mr) {
      const rows = min(mr, T - t), row = first + t;
      const q = c.qkv + (<usize> (t * width + h * D) << 2);
      const out = c.out + <usize> t * outStride + (<usize> (h * D) << 2);
      scoreRows(scores, stride, q, width, aPack, kPack, end, D, row, rows);
      for (let i = 0; i < rows; i++) {
        const p = scores + <usize> i * stride;
        softmaxRow(p, row + i + 1, row + rows, c.scale);
      }
      weighRows(
        out,
        outStride,
        scores,
        stride,
        aPack,
        vPack,
        0,
        end,
        D,
        row,
        rows,
      );
    }
  }
}
