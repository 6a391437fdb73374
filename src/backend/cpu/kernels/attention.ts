/**
 * Causal attention and its gradient, without the matrix of all scores.
 *
 * A thread takes one head of one sequence, and of it a block of query rows at
 * a time: their scores live in its scratch, are turned into probabilities and
 * multiplied with the values before the next block comes. The backward pass
 * computes the scores anew from the log-sum-exp of each row. One thread owns a
 * key head of a sequence, and with it the gradients of its keys and values:
 * query heads and rows add to them in ascending order. Compute bound; the
 * products are those of gemm_tile.ts.
 * Source: Dao et al. 2022, https://arxiv.org/abs/2205.14135, algorithms 1, 4.
 *
 * @module
 */

import { AttentionBackwardCall, AttentionCall } from "./calls";
import { KC, packedABytes, packedBBytes } from "./gemm_block";
import { multiplyPacked, packWhole } from "./gemm_tile";
import { exp, logScalar } from "./math";
import { GROUP, keepFactors } from "./philox";
import { dot, firstLanes, load4, rowMax, store4, sumLanes } from "./simd";
import { nextTile, threadScratch } from "./threads";

/** Query rows of a block. */
const BLOCK: i32 = 48;
/** As many tiles as keep a large number of threads evenly busy. */
const MANY_TILES: i32 = 48;

/** Floats from one row of scores to the next: whole vectors. */
@inline
function scoreStride(T: i32): i32 {
  return (T + 3) & ~3;
}

/** Bytes of a row of dropout factors, which begins at any element. */
@inline
function factorBytes(T: i32): usize {
  return <usize> (T + 2 * GROUP) << 2;
}

/** Room for a packed block of A: scores, or rows of D. */
@inline
function aPackBytes(): usize {
  return packedABytes(BLOCK, KC);
}

/** Bytes that each thread needs. */
export function attentionScratch(c: AttentionCall): usize {
  return factorBytes(c.T) + aPackBytes() + 2 * <usize> BLOCK * 4 +
    (<usize> BLOCK * scoreStride(c.T) << 2) +
    packedBBytes(c.T, c.D) + packedBBytes(c.D, c.T);
}

/** Bytes that each thread needs. */
export function attentionBackwardScratch(c: AttentionBackwardCall): usize {
  return factorBytes(c.T) + aPackBytes() +
    2 * (<usize> BLOCK * scoreStride(c.T) << 2) +
    2 * packedBBytes(c.T, c.D) + packedBBytes(c.D, c.T) +
    2 * packedBBytes(c.D, BLOCK);
}

/** `out = dropout(softmax(q k^T scale)) v`, and the log-sum-exp of rows. */
export function attention(c: AttentionCall): void {
  const heads = c.B * c.H, blocks = (c.T + BLOCK - 1) / BLOCK;
  // Few heads: the rows of a head are cut into parts, the longest ones first.
  const parts = min(blocks, (MANY_TILES + heads - 1) / heads);
  const tiles = heads * parts;
  for (let tile = nextTile(); tile < tiles; tile = nextTile()) {
    const part = parts - 1 - tile / heads, head = tile % heads;
    attentionRows(
      c,
      head / c.H,
      head % c.H,
      part * blocks / parts * BLOCK,
      min(c.T, (part + 1) * blocks / parts * BLOCK),
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
  const q = c.qkv + (<usize> (b * T) * width + h * D << 2);
  const k = c.qkv + (<usize> (b * T) * width + (c.H + kvHead) * D << 2);
  const v = k + (<usize> (c.Hkv * D) << 2);
  const outStride = <usize> (c.H * D) << 2;
  const out = c.out + <usize> (b * T) * outStride + (<usize> (h * D) << 2);
  const lse = c.lse + (<usize> ((b * c.H + h) * T) << 2);

  const factors = threadScratch;
  const aPack = factors + factorBytes(T);
  const inverses = aPack + aPackBytes();
  const scores = inverses + 2 * <usize> BLOCK * 4;
  const stride = scoreStride(T), strideBytes = <usize> stride << 2;
  const kPack = scores + <usize> BLOCK * strideBytes;
  const vPack = kPack + packedBBytes(T, D);
  packWhole(kPack, k, width, true, end, D);
  packWhole(vPack, v, width, false, D, end);

  for (let row = first; row < end; row += BLOCK) {
    const rows = min(BLOCK, end - row), keys = row + rows;
    const qAt = q + (<usize> row * width << 2);
    multiplyPacked(
      qAt,
      width,
      false,
      aPack,
      kPack,
      end,
      D,
      0,
      rows,
      keys,
      D,
      scores,
      strideBytes,
      0,
      0,
    );
    for (let i = 0; i < rows; i++) {
      const p = scores + <usize> i * strideBytes, seen = row + i + 1;
      const most = rowMax(p, seen);
      const sum = softmaxRow(p, seen, keys, most, c.scale);
      store<f32>(
        lse + (<usize> (row + i) << 2),
        most * c.scale + logScalar(sum),
      );
      store<f32>(inverses + (<usize> i << 2), 1 / sum);
      if (c.rng) {
        const index = <u64> ((b * c.H + h) * T + row + i) * T;
        const keep = keepRow(c, factors, index, seen);
        for (let j = 0; j < seen; j += 4) {
          const at = <usize> j << 2;
          v128.store(
            p + at,
            f32x4.mul(v128.load(p + at), v128.load(keep + at)),
          );
        }
      }
    }
    const outAt = out + <usize> row * outStride;
    multiplyPacked(
      scores,
      stride,
      false,
      aPack,
      vPack,
      D,
      end,
      0,
      rows,
      D,
      keys,
      outAt,
      outStride,
      0,
      0,
    );
    for (let i = 0; i < rows; i++) {
      const inverse = v128.load_splat<f32>(inverses + (<usize> i << 2));
      const to = outAt + <usize> i * outStride;
      for (let d = 0; d < D; d += 4) {
        const at = to + (<usize> d << 2);
        store4(at, f32x4.mul(load4(at, D - d), inverse), D - d);
      }
    }
  }
}

/**
 * `p = exp((p - most) * scale)` for the first `seen` of `keys`, 0 for the
 * rest; returns their sum.
 */
function softmaxRow(
  p: usize,
  seen: i32,
  keys: i32,
  most: f32,
  scale: f32,
): f32 {
  const mosts = f32x4.splat(most), scales = f32x4.splat(scale);
  let sum = f32x4.splat(0);
  let j = 0;
  for (; j < seen; j += 4, p += 16) {
    const x = f32x4.mul(f32x4.sub(v128.load(p), mosts), scales);
    const e = firstLanes(exp(x), seen - j);
    v128.store(p, e);
    sum = f32x4.add(sum, e);
  }
  for (; j < keys; j += 4, p += 16) v128.store(p, f32x4.splat(0));
  return sumLanes(sum);
}

/** Dropout factors of `n` elements from `index` on; returns where they are. */
@inline
function keepRow<C>(c: C, to: usize, index: u64, n: i32): usize {
  const before = <i32> (index & 3);
  let block = <u32> (index >> 2), at = to;
  for (let i = -before; i < n; i += GROUP, block += GROUP / 4, at += 64) {
    keepFactors(at, block, c.rng, c.site, c.threshold, c.keepScale);
  }
  return to + (<usize> before << 2);
}

/** Gradients of q, k and v, laid out as they are. */
export function attentionBackward(c: AttentionBackwardCall): void {
  const tiles = c.B * c.Hkv;
  for (let tile = nextTile(); tile < tiles; tile = nextTile()) {
    keyHeadBackward(c, tile / c.Hkv, tile % c.Hkv);
  }
}

/** Everything that flows through one key head of sequence `b`. */
function keyHeadBackward(c: AttentionBackwardCall, b: i32, kvHead: i32): void {
  const T = c.T, D = c.D, width = (c.H + 2 * c.Hkv) * D;
  const widthBytes = <usize> width << 2, rowBytes = <usize> D << 2;
  const start = <usize> (b * T) * widthBytes;
  const kAt = start + (<usize> ((c.H + kvHead) * D) << 2);
  const k = c.qkv + kAt, v = k + (<usize> (c.Hkv * D) << 2);
  const dK = c.dQkv + kAt, dV = dK + (<usize> (c.Hkv * D) << 2);
  const outStride = <usize> (c.H * D) << 2;

  const factors = threadScratch;
  const aPack = factors + factorBytes(T);
  const scores = aPack + aPackBytes();
  const stride = scoreStride(T), strideBytes = <usize> stride << 2;
  const dScores = scores + <usize> BLOCK * strideBytes;
  const kTPack = dScores + <usize> BLOCK * strideBytes;
  const vTPack = kTPack + packedBBytes(T, D);
  const kPack = vTPack + packedBBytes(T, D);
  const qPack = kPack + packedBBytes(D, T);
  const dOutPack = qPack + packedBBytes(D, BLOCK);
  packWhole(kTPack, k, width, true, T, D);
  packWhole(vTPack, v, width, true, T, D);
  packWhole(kPack, k, width, false, D, T);
  for (let j: usize = 0; j < <usize> T; j++) {
    memory.fill(dK + j * widthBytes, 0, rowBytes);
    memory.fill(dV + j * widthBytes, 0, rowBytes);
  }

  for (let h = 0; h < c.H; h++) {
    if (h * c.Hkv / c.H != kvHead) continue;
    const q = start + (<usize> (h * D) << 2);
    const o = <usize> (b * T) * outStride + (<usize> (h * D) << 2);
    const lse = c.lse + (<usize> ((b * c.H + h) * T) << 2);
    for (let row = 0; row < T; row += BLOCK) {
      const rows = min(BLOCK, T - row), keys = row + rows;
      const qAt = q + <usize> row * widthBytes;
      const oAt = o + <usize> row * outStride;
      // 1. Scores again, and the gradient of the probabilities.
      multiplyPacked(
        c.qkv + qAt,
        width,
        false,
        aPack,
        kTPack,
        T,
        D,
        0,
        rows,
        keys,
        D,
        scores,
        strideBytes,
        0,
        0,
      );
      multiplyPacked(
        c.dOut + oAt,
        c.H * D,
        false,
        aPack,
        vTPack,
        T,
        D,
        0,
        rows,
        keys,
        D,
        dScores,
        strideBytes,
        0,
        0,
      );
      // 2. Row by row: probabilities, and the gradient of the scores.
      for (let i = 0; i < rows; i++) {
        const seen = row + i + 1;
        const at = oAt + <usize> i * outStride;
        const index = <u64> ((b * c.H + h) * T + row + i) * T;
        scoresRowBackward(
          c,
          scores + <usize> i * strideBytes,
          dScores + <usize> i * strideBytes,
          seen,
          keys,
          load<f32>(lse + (<usize> (row + i) << 2)),
          dot(c.dOut + at, c.out + at, D),
          c.rng ? keepRow(c, factors, index, seen) : 0,
        );
      }
      // 3. dQ = dS k, dK += dS^T q, dV += P^T dOut.
      multiplyPacked(
        dScores,
        stride,
        false,
        aPack,
        kPack,
        D,
        T,
        0,
        rows,
        D,
        keys,
        c.dQkv + qAt,
        widthBytes,
        0,
        0,
      );
      packWhole(qPack, c.qkv + qAt, width, false, D, rows);
      packWhole(dOutPack, c.dOut + oAt, c.H * D, false, D, rows);
      addTransposed(dK, widthBytes, dScores, stride, qPack, rows, keys, D, aPack);
      addTransposed(dV, widthBytes, scores, stride, dOutPack, rows, keys, D, aPack);
    }
  }
}

/** One row: scores become probabilities, `d` their gradient's scores. */
@inline
function scoresRowBackward(
  c: AttentionBackwardCall,
  p: usize,
  d: usize,
  seen: i32,
  keys: i32,
  lse: f32,
  delta: f32,
  keep: usize,
): void {
  const scales = f32x4.splat(c.scale), lses = f32x4.splat(lse);
  const deltas = f32x4.splat(delta);
  let j = 0;
  for (; j < seen; j += 4, p += 16, d += 16) {
    const x = f32x4.sub(f32x4.mul(v128.load(p), scales), lses);
    let prob = firstLanes(exp(x), seen - j);
    let dProb = v128.load(d);
    let kept = prob;
    if (keep) {
      const factor = v128.load(keep);
      dProb = f32x4.mul(dProb, factor);
      kept = f32x4.mul(prob, factor);
      keep += 16;
    }
    v128.store(p, kept);
    prob = f32x4.mul(f32x4.mul(prob, f32x4.sub(dProb, deltas)), scales);
    v128.store(d, firstLanes(prob, seen - j));
  }
  for (; j < keys; j += 4, p += 16, d += 16) {
    v128.store(p, f32x4.splat(0));
    v128.store(d, f32x4.splat(0));
  }
}

/** `out += a^T b` with a (depth, rows of out), b packed (depth, D). */
function addTransposed(
  out: usize,
  outStride: usize,
  a: usize,
  aStride: i32,
  b: usize,
  depth: i32,
  rows: i32,
  D: i32,
  aPack: usize,
): void {
  for (let row = 0; row < rows; row += BLOCK) {
    const at = out + <usize> row * outStride;
    multiplyPacked(
      a + (<usize> row << 2),
      aStride,
      true,
      aPack,
      b,
      D,
      depth,
      0,
      min(BLOCK, rows - row),
      D,
      depth,
      at,
      outStride,
      at,
      0,
    );
  }
}
