/**
 * Attention of new rows over a cache of keys and values: generation only.
 *
 * Threads take key heads. Memory bound: every cached key and value is read
 * once per query head and row.
 *
 * @module
 */

import { AttentionCachedCall } from "./calls";
import { exp } from "./math";
import { addScaled, dot, firstLanes, rowMax, sumLanes } from "./simd";
import { nextTile, threadScratch } from "./threads";

/** Bytes that each thread needs: a row of scores. */
export function attentionCachedScratch(c: AttentionCachedCall): usize {
  return <usize> (c.S + 4) << 2;
}

/** Writes the new keys and values, then attends to all up to each row. */
export function attentionCached(c: AttentionCachedCall): void {
  const first = load<u32>(c.position);
  if (first + c.T > <u32> c.S) unreachable();
  for (let head = nextTile(); head < c.Hkv; head = nextTile()) {
    const D = c.D, width = <usize> ((c.H + 2 * c.Hkv) * D) << 2;
    const headBytes = <usize> D << 2, cacheRow = <usize> (c.Hkv * D) << 2;
    const offset = <usize> head * headBytes;
    for (let t = 0; t < c.T; t++) {
      const k = c.qkv + <usize> t * width + <usize> c.H * headBytes + offset;
      const at = <usize> (first + t) * cacheRow + offset;
      memory.copy(c.kCache + at, k, headBytes);
      memory.copy(c.vCache + at, k + cacheRow, headBytes);
    }
    for (let h = 0; h < c.H; h++) {
      if (h * c.Hkv / c.H != head) continue;
      for (let t = 0; t < c.T; t++) {
        const q = c.qkv + <usize> t * width + <usize> h * headBytes;
        const out = c.out + <usize> (t * c.H + h) * headBytes;
        attendRow(c, out, q, offset, cacheRow, <i32> first + t + 1);
      }
    }
  }
}

/** One query row over the first `seen` rows of the cache. */
function attendRow(
  c: AttentionCachedCall,
  out: usize,
  q: usize,
  offset: usize,
  cacheRow: usize,
  seen: i32,
): void {
  const p = threadScratch;
  let k = c.kCache + offset, v = c.vCache + offset;
  for (let j = 0; j < seen; j++, k += cacheRow) {
    store<f32>(p + (<usize> j << 2), dot(q, k, c.D) * c.scale);
  }
  const most = f32x4.splat(rowMax(p, seen));
  let sum = f32x4.splat(0);
  for (let j = 0; j < seen; j += 4) {
    const at = p + (<usize> j << 2);
    const e = firstLanes(exp(f32x4.sub(v128.load(at), most)), seen - j);
    v128.store(at, e);
    sum = f32x4.add(sum, e);
  }
  const inverse: f32 = 1 / sumLanes(sum);
  memory.fill(out, 0, <usize> c.D << 2);
  for (let j = 0; j < seen; j++, v += cacheRow) {
    addScaled(out, v, load<f32>(p + (<usize> j << 2)) * inverse, c.D);
  }
}
