/**
 * Causal attention without the matrix of all scores.
 *
 * A thread takes one head of one sequence, and of it a strip of query rows at
 * a time: their scores live in its scratch, are turned into probabilities and
 * multiplied with the values before the next rows come. Compute bound; the
 * products are those of attention_products.ts.
 * Source: Dao et al. 2022, https://arxiv.org/abs/2205.14135, algorithm 1.
 * The gradient is in attention_backward.ts.
 *
 * @module
 */

import { scoreRows, weighRows } from "./attention_products";
import { AttentionCall } from "./calls";
import { KC } from "./gemm_block";
import {
  exactCode,
  panelsBytes,
  readsStoredB,
  stripRows,
  stripsBytes,
} from "./gemm_kernel";
import { packWhole } from "./gemm_tile";
import { exp, log, logScalar } from "./math";
import { hasNative, nativeSoftmax } from "./native";
import { GROUP, keepFactors } from "./philox";
import { firstLanes, load4, rowMax, store4, sumLanes } from "./simd";
import { nextChunk, threadScratch } from "./threads";

/** As many tiles as keep a large number of threads evenly busy. */
const MANY_TILES: i32 = 48;

/**
 * Bytes from one row of scores to the next: whole cache lines, and an odd
 * number of them, so that a column's elements lie in different cache sets.
 */
@inline
export function scoreStride(T: i32): usize {
  return <usize> (((T + 15) / 16) | 1) << 6;
}

/**
 * Bytes of a row of dropout factors, which begins at any element; enough for
 * one number per row of a strip too.
 */
@inline
export function factorBytes(T: i32): usize {
  return <usize> ((T + 2 * GROUP + 15) & ~15) << 2;
}

/** Room for a packed strip of A: D or KC deep. */
@inline
export function stripBytes(D: i32): usize {
  const code = exactCode();
  return stripsBytes(code, stripRows(code), max(D, KC));
}

/** Bytes that each thread needs. */
export function attentionScratch(c: AttentionCall): usize {
  const code = exactCode();
  return factorBytes(c.T) + stripBytes(c.D) +
    <usize> stripRows(code) * scoreStride(c.T) +
    panelsBytes(code, c.T, c.D) + panelsBytes(code, c.D, c.T);
}

/** `out = dropout(softmax(q k^T scale)) v`, and the log-sum-exp of rows. */
export function attention(c: AttentionCall): void {
  const mr = stripRows(exactCode());
  const heads = c.B * c.H, strips = (c.T + mr - 1) / mr;
  // Few heads: the rows of a head are cut into parts, the longest ones first.
  const parts = min(strips, (MANY_TILES + heads - 1) / heads);
  const tiles = heads * parts;
  for (let tile = nextChunk(tiles); tile < tiles; tile = nextChunk(tiles)) {
    const part = parts - 1 - tile / heads, head = tile % heads;
    attentionRows(
      c,
      head / c.H,
      head % c.H,
      part * strips / parts * mr,
      min(c.T, (part + 1) * strips / parts * mr),
    );
  }
}

/** Query rows `first` to `end` of head `h` of sequence `b`. */
function attentionRows(
  c: AttentionCall,
  b: i32,
  h: i32,
  first: i32,
  end: i32,
): void {
  const T = c.T, D = c.D, width = (c.H + 2 * c.Hkv) * D;
  const kvHead = h * c.Hkv / c.H;
  const start = c.qkv + (<usize> (b * T) * width << 2);
  const q = start + (<usize> (h * D) << 2);
  const k = start + (<usize> ((c.H + kvHead) * D) << 2);
  const v = k + (<usize> (c.Hkv * D) << 2);
  const outStride = <usize> (c.H * D) << 2;
  const out = c.out + <usize> (b * T) * outStride + (<usize> (h * D) << 2);
  const firstRow = (b * c.H + h) * T, lse = c.lse + (<usize> firstRow << 2);

  const factors = threadScratch;
  const aPack = factors + factorBytes(T);
  const scores = aPack + stripBytes(D), stride = scoreStride(T);
  const code = exactCode(), mr = stripRows(code);
  const kPack = scores + <usize> mr * stride;
  const vPack = kPack + panelsBytes(code, T, D);
  packWhole(code, kPack, k, width, true, end, D);
  const vStride = readsStoredB(code, false) ? width : 0;
  if (!vStride) packWhole(code, vPack, v, width, false, D, end);

  for (let row = first; row < end; row += mr) {
    const rows = min(mr, end - row), keys = row + rows;
    const qAt = q + (<usize> row * width << 2);
    const outAt = out + <usize> row * outStride;
    scoreRows(scores, stride, qAt, width, aPack, kPack, end, D, row, rows);
    const rowLse = lse + (<usize> row << 2);
    softmaxRows(scores, stride, rows, row + 1, c.scale, rowLse, factors);
    if (c.rng) {
      for (let i = row; i < keys; i++) {
        const keep = keepRow(c, factors, <u64> (firstRow + i) * T, i + 1);
        dropOut(scores + <usize> (i - row) * stride, keep, i + 1);
      }
    }
    weighRows(
      outAt,
      outStride,
      scores,
      stride,
      aPack,
      vStride ? v : vPack,
      vStride,
      end,
      D,
      row,
      rows,
    );
  }
}

/**
 * Softmax of `rows` rows of scores times `scale`, in place. The first row sees
 * `seen` keys, each of the others one more than the row before; the rest of
 * what the last row sees becomes 0.
 *
 * @param lse Room for the log-sum-exp of each row.
 * @param sums Room for one f32 per row, to work in.
 */
export function softmaxRows(
  p: usize,
  stride: usize,
  rows: i32,
  seen: i32,
  scale: f32,
  lse: usize,
  sums: usize,
): void {
  const keys = seen + rows - 1;
  if (hasNative()) {
    nativeSoftmax(p, stride, rows, seen, keys, scale, lse, sums);
    for (let i = 0; i < rows; i += 4, lse += 16, sums += 16) {
      const left = rows - i;
      const logs = log(load4(sums, left)); // of 0 it is any number
      store4(lse, f32x4.add(load4(lse, left), logs), left);
    }
    return;
  }
  for (let i = 0; i < rows; i++, p += stride, lse += 4) {
    store<f32>(lse, softmaxRow(p, seen + i, keys, scale));
  }
}

/**
 * Softmax of the first `seen` scores times `scale`; 0 for the rest of `keys`.
 *
 * @returns The log-sum-exp.
 */
export function softmaxRow(p: usize, seen: i32, keys: i32, scale: f32): f32 {
  const most = rowMax(p, seen) * scale;
  const mosts = f32x4.splat(most), scales = f32x4.splat(scale);
  const end = p + (<usize> keys << 2);
  let sums = f32x4.splat(0);
  let at = p;
  for (let j = 0; j < seen; j += 4, at += 16) {
    const x = f32x4.sub(f32x4.mul(v128.load(at), scales), mosts);
    const e = firstLanes(exp(x), seen - j);
    v128.store(at, e);
    sums = f32x4.add(sums, e);
  }
  for (; at < end; at += 16) v128.store(at, f32x4.splat(0));
  const sum = sumLanes(sums), inverses = f32x4.splat(1 / sum);
  at = p;
  for (let j = 0; j < seen; j += 4, at += 16) {
    v128.store(at, f32x4.mul(v128.load(at), inverses));
  }
  return most + logScalar(sum);
}

/** Multiplies the first `n` elements of a row with their dropout factors. */
export function dropOut(p: usize, keep: usize, n: i32): void {
  for (let j = 0; j < n; j += 4, p += 16, keep += 16) {
    v128.store(p, f32x4.mul(v128.load(p), v128.load(keep)));
  }
}

/** Dropout factors of `n` elements from `index` on; returns where they are. */
@inline
export function keepRow<C>(c: C, to: usize, index: u64, n: i32): usize {
  const before = <i32> (index & 3);
  let block = <u32> (index >> 2), at = to;
  for (let i = -before; i < n; i += GROUP, block += GROUP / 4, at += 64) {
    keepFactors(at, block, c.rng, c.site, c.threshold, c.keepScale);
  }
  return to + (<usize> before << 2);
}
