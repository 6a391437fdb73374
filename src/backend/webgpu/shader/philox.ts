/**
 * Philox4x32-10 in WGSL, and dropout factors from it: the same bits as
 * base/philox.ts gives, so that every backend drops the same elements.
 *
 * @module
 */

import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { f32 } from "./wgsl.ts";

/** Products of 32 x 32 bits in parts of 16, for WGSL has no others. */
const ROUND = `
fn mulHigh(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let upper = a1 * b0 + ((a0 * b0) >> 16u);
  let lower = a0 * b1 + (upper & 0xffffu);
  return a1 * b1 + (upper >> 16u) + (lower >> 16u);
}
fn philoxRound(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  return vec4<u32>(
    mulHigh(0xcd9e8d57u, c.z) ^ c.y ^ key.x,
    0xcd9e8d57u * c.z,
    mulHigh(0xd2511f53u, c.x) ^ c.w ^ key.y,
    0xd2511f53u * c.x,
  );
}`;

/** The same where shaders may use u64: compiled for sm_90, a fifth of it. */
const WIDE_ROUND = `
fn philoxRound(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  let z = u64(c.z) * 0xcd9e8d57lu;
  let x = u64(c.x) * 0xd2511f53lu;
  return vec4<u32>(
    u32(z >> 32u) ^ c.y ^ key.x,
    u32(z),
    u32(x >> 32u) ^ c.w ^ key.y,
    u32(x),
  );
}`;

/**
 * `philox(counter, key)`: a block of four words.
 *
 * In parts of 16 bits, neither sum of the upper half of a product can overflow
 * (H. S. Warren, "Hacker's Delight", section 8-2).
 *
 * @param options.hasU64 Whether shaders may use u64.
 */
export function philoxFunction({ hasU64 }: { hasU64: boolean }): string {
  return `${hasU64 ? WIDE_ROUND : ROUND}
fn philox(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
  const WEYL = vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  var key = seed;
  var c = philoxRound(counter, key);
${
    Array.from(
      { length: 9 },
      () => "  key += WEYL;\n  c = philoxRound(c, key);",
    ).join("\n")
  }
  return c;
}
`;
}

/**
 * The number of the place where a call drops, for its shader to read: as a part
 * of the text it would have every layer compile shaders of its own.
 */
export function siteTable(
  { site }: { site: number },
  context: KernelContext,
): GpuTensor {
  return context.table(Float32Array.of(site));
}

/**
 * `dropout4(block)`: what elements 4 * block and the next three are multiplied
 * by, and `dropout1(element)`. `rng` is the array of the call's rng words,
 * `site` the one of {@linkcode siteTable}; `dropoutBy(block, rng, site)` takes
 * what was read of both.
 */
export function dropoutFunctions(
  { p, site, rng }: { p: number; site: string; rng: string },
  { hasU64 }: Pick<KernelContext, "hasU64">,
): string {
  const threshold = Math.floor(p * 2 ** 32);
  const keep = f32(1 / (1 - p));
  return `${philoxFunction({ hasU64 })}
fn dropoutBy(block: u32, rngWords: vec4<u32>, site: u32) -> vec4<f32> {
  let words = philox(vec4<u32>(block, site, rngWords.zw), rngWords.xy);
  return select(
    vec4<f32>(0.0f),
    vec4<f32>(${keep}),
    words >= vec4<u32>(${threshold}u),
  );
}
fn dropout4(block: u32) -> vec4<f32> {
  return dropoutBy(block, ${rngWords(rng)}, ${siteNumber(site)});
}
fn dropout1(element: u32) -> f32 {
  let four = dropout4(element >> 2u);
  let low = select(four.x, four.y, (element & 1u) == 1u);
  let high = select(four.z, four.w, (element & 1u) == 1u);
  return select(low, high, (element & 2u) == 2u);
}
`;
}

/** WGSL: the words of a call's rng. */
export function rngWords(rng: string): string {
  return `vec4<u32>(${rng}[0], ${rng}[1], ${rng}[2], ${rng}[3])`;
}

/** WGSL: what a {@linkcode siteTable} holds. */
export function siteNumber(site: string): string {
  return `u32(${site}[0])`;
}
