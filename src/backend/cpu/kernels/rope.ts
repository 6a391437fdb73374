/**
 * Rotary positions, Su et al. 2021, in the half-split layout of Llama.
 *
 * Sines and cosines are computed once per row, in double precision, and used
 * by all heads of the row.
 *
 * @module
 */

import { RopeCall } from "./calls";
import { sinQuarter } from "./math";
import { load4, store4 } from "./simd";
import { rangeEnd, rangeStart, takeRows, threadScratch } from "./threads";

/** Bytes that each thread needs: the cosines and the sines of one row. */
export function ropeScratch(c: RopeCall): usize {
  return <usize> c.D << 2;
}

/** Rotates the first `nRotated * D` columns and copies the others. */
export function rope(c: RopeCall): void {
  const rowBytes = <usize> c.width << 2;
  const half = c.D >> 1, halfBytes = <usize> half << 2;
  const cosines = threadScratch, sines = threadScratch + halfBytes;
  const rotated = <usize> (c.nRotated * c.D) << 2;
  while (takeRows(c.rows, c.width)) {
    for (let row = rangeStart; row < rangeEnd; row++) {
      const position = <f64> load<u32>(c.positions + (<usize> row << 2));
      for (let i = 0; i < half; i++) {
        const at = <usize> i << 2;
        const angle = position * load<f64>(c.frequencies + (<usize> i << 3));
        const sine = <f32> sinQuarter(angle, 0);
        store<f32>(cosines + at, <f32> sinQuarter(angle, 1));
        store<f32>(sines + at, c.inverse ? -sine : sine);
      }
      const x = c.x + <usize> row * rowBytes;
      const out = c.out + <usize> row * rowBytes;
      for (let head: usize = 0; head < rotated; head += 2 * halfBytes) {
        for (let i = 0; i < half; i += 4) {
          const left = half - i, at = <usize> i << 2;
          const low = x + head + at, to = out + head + at;
          const x0 = load4(low, left), x1 = load4(low + halfBytes, left);
          const cos = load4(cosines + at, left), sin = load4(sines + at, left);
          const y0 = f32x4.sub(f32x4.mul(x0, cos), f32x4.mul(x1, sin));
          const y1 = f32x4.add(f32x4.mul(x1, cos), f32x4.mul(x0, sin));
          store4(to, y0, left);
          store4(to + halfBytes, y1, left);
        }
      }
      if (c.out != c.x) {
        memory.copy(out + rotated, x + rotated, rowBytes - rotated);
      }
    }
  }
}
