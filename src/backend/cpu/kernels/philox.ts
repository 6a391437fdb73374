/**
 * Dropout and the random bits behind it: Philox4x32-10, four blocks at a time.
 *
 * The same words as base/philox.ts, so the same elements are kept on every
 * backend. Source: Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405
 *
 * @module
 */

import { DropoutCall } from "./calls";
import { rangeEnd, rangeStart, takeElements, threadScratch } from "./threads";

const MULTIPLIER_0: i32 = 0xd2511f53;
const MULTIPLIER_1: i32 = 0xcd9e8d57;
const WEYL_0: i32 = 0x9e3779b9;
const WEYL_1: i32 = 0xbb67ae85;
const ROUNDS: i32 = 10;

/** Elements whose fate one call of {@linkcode keepFactors} decides. */
export const GROUP: i32 = 16;

/**
 * Writes 16 factors to `to`: `keep` where the word of an element is at least
 * `threshold`, else 0.
 *
 * @param to Room for 64 bytes.
 * @param block Index of the first element, divided by 4.
 * @param rng The u32 (4) tensor: seed low, high, micro-step low, high.
 */
export function keepFactors(
  to: usize,
  block: u32,
  rng: usize,
  site: i32,
  threshold: u32,
  keep: f32,
): void {
  const m0 = i32x4.splat(MULTIPLIER_0), m1 = i32x4.splat(MULTIPLIER_1);
  let c0 = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(site);
  let c2 = v128.load_splat<u32>(rng, 8), c3 = v128.load_splat<u32>(rng, 12);
  let k0 = load<i32>(rng), k1 = load<i32>(rng, 4);
  for (let round = 0; round < ROUNDS; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(c0, m0);
    const high0 = i64x2.extmul_high_i32x4_u(c0, m0);
    const low1 = i64x2.extmul_low_i32x4_u(c2, m1);
    const high1 = i64x2.extmul_high_i32x4_u(c2, m1);
    const upper0 = v128.shuffle<i32>(low0, high0, 1, 3, 5, 7);
    const upper1 = v128.shuffle<i32>(low1, high1, 1, 3, 5, 7);
    c0 = v128.xor(v128.xor(upper1, c1), i32x4.splat(k0));
    c1 = v128.shuffle<i32>(low1, high1, 0, 2, 4, 6);
    c2 = v128.xor(v128.xor(upper0, c3), i32x4.splat(k1));
    c3 = v128.shuffle<i32>(low0, high0, 0, 2, 4, 6);
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  const least = i32x4.splat(threshold), factor = f32x4.splat(keep);
  c0 = v128.and(i32x4.ge_u(c0, least), factor);
  c1 = v128.and(i32x4.ge_u(c1, least), factor);
  c2 = v128.and(i32x4.ge_u(c2, least), factor);
  c3 = v128.and(i32x4.ge_u(c3, least), factor);
  // Word w of block b belongs to element 4 b + w: transpose.
  const low01 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3), 16);
  v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2), 32);
  v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3), 48);
}

/** STREAM.sampling of base/philox.ts. */
const SAMPLING: u32 = 4;

/**
 * Number `draw` of the stream of sampling: uniform in [0, 1), 24 bits.
 *
 * @param key Seed low and high, u32.
 */
export function uniform(key: usize, draw: u32): f64 {
  let c0 = draw >> 2, c1: u32 = 0, c2: u32 = 0, c3 = SAMPLING;
  let k0 = load<u32>(key), k1 = load<u32>(key, 4);
  for (let round = 0; round < ROUNDS; round++) {
    const product0 = <u64> <u32> MULTIPLIER_0 * c0;
    const product1 = <u64> <u32> MULTIPLIER_1 * c2;
    c0 = <u32> (product1 >> 32) ^ c1 ^ k0;
    c1 = <u32> product1;
    c2 = <u32> (product0 >> 32) ^ c3 ^ k1;
    c3 = <u32> product0;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  const word = draw & 3;
  const bits = word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;
  return <f64> (bits >> 8) / 16777216;
}

/** `out = addTo + x * keep / (1 - p)`. */
export function dropout(c: DropoutCall): void {
  const factors = threadScratch;
  while (takeElements(c.n)) {
    for (let i = rangeStart; i < rangeEnd; i += GROUP) {
      keepFactors(factors, i >> 2, c.rng, c.site, c.threshold, c.keepScale);
      const first = <usize> i << 2;
      const stop = <usize> min(GROUP, rangeEnd - i) << 2;
      for (let j: usize = 0; j < stop; j += 16) {
        const at = first + j;
        let y = f32x4.mul(v128.load(c.x + at), v128.load(factors + j));
        if (c.addTo) y = f32x4.add(y, v128.load(c.addTo + at));
        v128.store(c.out + at, y);
      }
    }
  }
}
