/**
 * The gradient of causal attention, from the log-sum-exp of each row.
 *
 * A task takes one key head of a sequence, and with it the gradients of its
 * keys and values: query heads and blocks of rows add to them in ascending
 * order. Where there are fewer key heads than keep the threads busy, tasks are
 * cut further: some compute the gradients of a few queries only, some those
 * of a few keys only. The scores are then computed twice, but every sum keeps
 * its order, so that the bits stay the same. Compute bound.
 * Source: Dao et al. 2022, https://arxiv.org/abs/2205.14135, algorithm 4.
 *
 * @module
 */

import {
  dropOut,
  factorBytes,
  keepRow,
  scoreStride,
  stripBytes,
} from "./attention";
import { addToKeys, scoreRows, weighRows } from "./attention_products";
import { AttentionBackwardCall } from "./calls";
import {
  exactCode,
  panelCols,
  panelsBytes,
  readsStoredB,
  stripRows,
} from "./gemm_kernel";
import { packWhole } from "./gemm_tile";
import { exp } from "./math";
import { hasNative, nativeSoftmaxBackward } from "./native";
import { dot, firstLanes, store4 } from "./simd";
import { nextChunk, nThreads, threadScratch } from "./threads";

/** Query rows whose scores are held at a time, at least. */
const MIN_BLOCK: i32 = 64;

/** The same in whole strips. */
@inline
function blockRows(): i32 {
  const mr = stripRows(exactCode());
  return (MIN_BLOCK + mr - 1) / mr * mr;
}

/** Bytes of one number per row of a block, in whole cache lines. */
@inline
function deltaBytes(): usize {
  return <usize> ((blockRows() + 15) & ~15) << 2;
}

/** Bytes that each thread needs. */
export function attentionBackwardScratch(c: AttentionBackwardCall): usize {
  const code = exactCode(), block = blockRows();
  return factorBytes(c.T) + deltaBytes() + stripBytes(c.D) +
    2 * <usize> block * scoreStride(c.T) +
    2 * panelsBytes(code, c.T, c.D) + panelsBytes(code, c.D, c.T) +
    2 * panelsBytes(code, c.D, block);
}

/** Gradients of q, k and v, laid out as they are. */
export function attentionBackward(c: AttentionBackwardCall): void {
  const keyHeads = c.B * c.Hkv;
  if (nThreads == 1 || keyHeads >= 2 * nThreads) wholeTasks(c);
  else cutTasks(c);
}

/** One task per key head. */
function wholeTasks(c: AttentionBackwardCall): void {
  const tasks = c.B * c.Hkv;
  for (let i = nextChunk(tasks); i < tasks; i = nextChunk(tasks)) {
    const kvHead = i % c.Hkv;
    start(c, i / c.Hkv, kvHead, 0, c.T);
    clearKeys();
    for (let h = firstHead(c, kvHead); h < firstHead(c, kvHead + 1); h++) {
      rowsBackward(h, 0, c.T, true, true);
    }
  }
}

/** Tasks for parts of the queries of a head, and of the keys of a key head. */
function cutTasks(c: AttentionBackwardCall): void {
  const block = blockRows(), blocks = (c.T + block - 1) / block;
  const parts = min(blocks, 4 * nThreads / (c.B * c.Hkv) + 1);
  // Whole panels of keys.
  const step = parts * panelCols(exactCode());
  const partKeys = (c.T + step - 1) / step * panelCols(exactCode());
  const keyTasks = c.B * c.Hkv * parts, tasks = keyTasks + c.B * c.H * parts;
  for (let i = nextChunk(tasks); i < tasks; i = nextChunk(tasks)) {
    if (i < keyTasks) {
      const part = i / (c.B * c.Hkv), head = i % (c.B * c.Hkv);
      const kvHead = head % c.Hkv, first = part * partKeys;
      if (first >= c.T) continue;
      start(c, head / c.Hkv, kvHead, first, min(c.T, first + partKeys));
      clearKeys();
      for (let h = firstHead(c, kvHead); h < firstHead(c, kvHead + 1); h++) {
        rowsBackward(h, first / block * block, c.T, false, true);
      }
    } else {
      // The last rows see the most keys: longest tasks first.
      const rest = i - keyTasks, heads = c.B * c.H;
      const part = parts - 1 - rest / heads, h = rest % heads % c.H;
      const first = part * blocks / parts * block;
      const end = min(c.T, (part + 1) * blocks / parts * block);
      start(c, rest % heads / c.H, h * c.Hkv / c.H, 0, end);
      rowsBackward(h, first, end, true, false);
    }
  }
}

/** The first query head that reads key head `kvHead`, or one after it. */
@inline
function firstHead(c: AttentionBackwardCall, kvHead: i32): i32 {
  return (kvHead * c.H + c.Hkv - 1) / c.Hkv;
}

// The task that this thread is at: each thread has globals of its own.
let call: AttentionBackwardCall = changetype<AttentionBackwardCall>(0);
let b: i32 = 0;
let firstKey: i32 = 0;
let nKeys: i32 = 0;
/** Offset of the first key of the range, in qkv and dQkv. */
let keyAt: usize = 0;
let kTPack: usize = 0;
let vTPack: usize = 0;
let kPack: usize = 0;

/** Begins a task: packs the keys of a range, and their values. */
function start(
  c: AttentionBackwardCall,
  sequence: i32,
  kvHead: i32,
  first: i32,
  end: i32,
): void {
  call = c, b = sequence, firstKey = first, nKeys = end - first;
  const D = c.D, width = (c.H + 2 * c.Hkv) * D;
  const row = <usize> (b * c.T + first) * width;
  keyAt = (row + (c.H + kvHead) * D) << 2;
  kTPack = threadScratch + factorBytes(c.T) + deltaBytes() + stripBytes(D) +
    2 * <usize> blockRows() * scoreStride(c.T);
  const code = exactCode();
  vTPack = kTPack + panelsBytes(code, c.T, D);
  kPack = vTPack + panelsBytes(code, c.T, D);
  const k = c.qkv + keyAt, v = k + (<usize> (c.Hkv * D) << 2);
  packWhole(code, kTPack, k, width, true, nKeys, D);
  packWhole(code, vTPack, v, width, true, nKeys, D);
}

/** What the rows `first` to `end` of head `h` give to the task. */
function rowsBackward(
  h: i32,
  first: i32,
  end: i32,
  forQueries: bool,
  forKeys: bool,
): void {
  const c = call, T = c.T, D = c.D, width = (c.H + 2 * c.Hkv) * D;
  const widthBytes = <usize> width << 2, outStride = <usize> (c.H * D) << 2;
  const q = <usize> (b * T) * widthBytes + (<usize> (h * D) << 2);
  const o = <usize> (b * T) * outStride + (<usize> (h * D) << 2);
  const dK = c.dQkv + keyAt, dV = dK + (<usize> (c.Hkv * D) << 2);
  const aPack = threadScratch + factorBytes(T) + deltaBytes();
  const stride = scoreStride(T);
  const scores = aPack + stripBytes(D);
  const code = exactCode(), block = blockRows();
  const dScores = scores + <usize> block * stride;
  const qPack = kPack + panelsBytes(code, D, T);
  const dOutPack = qPack + panelsBytes(code, D, block);
  // Native code reads keys, queries and dOut where they are.
  const stored = readsStoredB(code, false);
  if (forQueries && !stored) {
    packWhole(code, kPack, c.qkv + keyAt, width, false, D, nKeys);
  }

  for (let row = first; row < end; row += block) {
    const rows = min(block, end - row);
    const behind = row - firstKey, keys = min(nKeys, behind + rows);
    const qRows = c.qkv + q + <usize> row * widthBytes;
    const dOutRows = c.dOut + o + <usize> row * outStride;
    // 1. Scores again, and the gradient of the probabilities.
    scoreRows(
      scores,
      stride,
      qRows,
      width,
      aPack,
      kTPack,
      nKeys,
      D,
      behind,
      rows,
    );
    scoreRows(
      dScores,
      stride,
      dOutRows,
      c.H * D,
      aPack,
      vTPack,
      nKeys,
      D,
      behind,
      rows,
    );
    // 2. Row by row: probabilities, and the gradient of the scores.
    scoresBackward(h, row, rows, scores, dScores, stride, behind + 1, keys);
    // 3. dQ = dS k, dK += dS^T q, dV += P^T dOut.
    if (forQueries) {
      weighRows(
        c.dQkv + q + <usize> row * widthBytes,
        widthBytes,
        dScores,
        stride,
        aPack,
        stored ? c.qkv + keyAt : kPack,
        stored ? width : 0,
        nKeys,
        D,
        behind,
        rows,
      );
    }
    if (forKeys) {
      if (!stored) {
        packWhole(code, qPack, qRows, width, false, D, rows);
        packWhole(code, dOutPack, dOutRows, c.H * D, false, D, rows);
      }
      addToKeys(
        dK,
        widthBytes,
        dScores,
        stride,
        stored ? qRows : qPack,
        stored ? width : 0,
        D,
        behind,
        rows,
        keys,
      );
      addToKeys(
        dV,
        widthBytes,
        scores,
        stride,
        stored ? dOutRows : dOutPack,
        stored ? c.H * D : 0,
        D,
        behind,
        rows,
        keys,
      );
    }
  }
}

/** Sets the gradients of the task's keys and values to 0. */
function clearKeys(): void {
  const c = call, rowBytes = <usize> ((c.H + 2 * c.Hkv) * c.D) << 2;
  let dK = c.dQkv + keyAt, dV = dK + (<usize> (c.Hkv * c.D) << 2);
  const zero = f32x4.splat(0);
  for (let j = 0; j < nKeys; j++, dK += rowBytes, dV += rowBytes) {
    // Too short for memory.fill, which is a call out of WebAssembly.
    for (let i = 0; i < c.D; i += 4) {
      store4(dK + (<usize> i << 2), zero, c.D - i);
      store4(dV + (<usize> i << 2), zero, c.D - i);
    }
  }
}

/**
 * Query rows from `row` on: scores `p` become (dropped out) probabilities, and
 * `d`, the gradient of those, becomes the gradient of the scores. The first
 * row sees `seen` keys, each of the others one more than the row before, but
 * no fewer than none and no more than `keys`; the rest becomes 0.
 */
function scoresBackward(
  h: i32,
  row: i32,
  rows: i32,
  p: usize,
  d: usize,
  stride: usize,
  seen: i32,
  keys: i32,
): void {
  const c = call, outStride = <usize> (c.H * c.D) << 2;
  const headRow = (b * c.H + h) * c.T + row;
  const lse = c.lse + (<usize> headRow << 2);
  const at = <usize> (b * c.T + row) * outStride + (<usize> (h * c.D) << 2);
  const deltas = threadScratch + factorBytes(c.T);
  for (let i = 0; i < rows; i++) {
    const offset = at + <usize> i * outStride;
    const delta = dot(c.dOut + offset, c.out + offset, c.D);
    store<f32>(deltas + (<usize> i << 2), delta);
  }
  if (hasNative() && !c.rng) {
    nativeSoftmaxBackward(
      p,
      d,
      stride,
      rows,
      seen,
      keys,
      c.scale,
      lse,
      deltas,
    );
    return;
  }
  for (let i = 0; i < rows; i++, p += stride, d += stride) {
    const rowSeen = max(0, min(keys, seen + i)), index = <usize> i << 2;
    let keep: usize = 0;
    if (c.rng && rowSeen > 0) {
      const element = <u64> (headRow + i) * c.T + firstKey;
      keep = keepRow(c, threadScratch, element, rowSeen);
      dropOut(d, keep, rowSeen);
    }
    if (hasNative()) {
      nativeSoftmaxBackward(
        p,
        d,
        stride,
        1,
        rowSeen,
        keys,
        c.scale,
        lse + index,
        deltas + index,
      );
    } else {
      scoresRowBackward(
        p,
        d,
        rowSeen,
        keys,
        load<f32>(lse + index),
        load<f32>(deltas + index),
      );
    }
    if (keep) dropOut(p, keep, rowSeen);
  }
}

/** One row of that, without dropout. */
function scoresRowBackward(
  p: usize,
  d: usize,
  seen: i32,
  keys: i32,
  lse: f32,
  delta: f32,
): void {
  const lses = f32x4.splat(lse), deltas = f32x4.splat(delta);
  const scale = f32x4.splat(call.scale);
  let j = 0;
  for (; j < seen; j += 4, p += 16, d += 16) {
    const x = f32x4.sub(f32x4.mul(v128.load(p), scale), lses);
    const prob = firstLanes(exp(x), seen - j);
    const dScore = f32x4.mul(
      f32x4.mul(prob, f32x4.sub(v128.load(d), deltas)),
      scale,
    );
    v128.store(p, prob);
    v128.store(d, firstLanes(dScore, seen - j));
  }
  for (; j < keys; j += 4, p += 16, d += 16) {
    v128.store(p, f32x4.splat(0));
    v128.store(d, f32x4.splat(0));
  }
}
