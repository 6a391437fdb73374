import assert from "node:assert/strict";
import {
  parseGemm,
  parseVariant,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { ThreadTile } from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import {
  coreWork,
  splitByWaves,
  waste,
} from "../../../src/backend/webgpu/choice/gemm_waves.ts";

const tile = (text: string) => parseGemm(text) as ThreadTile;
const shape = (M: number, N: number, K: number) => (
  { M, N, K, transA: false, transB: false }
);
const LARGE = tile("128x64x16 8x8 ahead block");
const MIDDLE = tile("64x64x16 8x8 ahead block");

Deno.test("splitByWaves() leaves few cores idle at the end", () => {
  // 288 tiles: 3 on the busiest of 132 cores, where 2.2 would do. In 5 parts,
  // 11 where 10.9 would do.
  assert.equal(splitByWaves(shape(768, 3072, 8192), LARGE), 5);
  // 16 tiles where 15.5 would do.
  assert.equal(splitByWaves(shape(4096, 4096, 4096), LARGE), 1);
  // 768 tiles: 6 where 5.8 would do. 11 parts would be even, and 280 MB.
  assert.equal(splitByWaves(shape(8192, 768, 50304), LARGE), 1);
  // 18 tiles: 1.9 of 2 places, where 22 parts would fill 3 of 3, for more sums.
  assert.equal(splitByWaves(shape(384, 384, 16384), LARGE), 14);
  assert.equal(splitByWaves(shape(128, 128, 128), LARGE), 1);
});

Deno.test("waste() is what a large device waits, by hand", () => {
  // A tile per core waits for memory; two parts each make 2 * 128 * 64 sums,
  // 816 deep, then 50 + 50 a number and 5e7 by all.
  const busy = shape(132 * 128, 64, 1600);
  const sums = 2 * 128 * 64 * (800 + 16);
  const parts = (2 * 50 * busy.M * busy.N + 5e7) / 132;
  const least = busy.M * busy.N * busy.K / 132;
  assert.equal(splitByWaves(busy, LARGE), 2);
  assert.ok(Math.abs(waste(busy, LARGE) - (sums + parts) / least) < 1e-9);
  // Two workgroups of 64 threads have a core together.
  assert.equal(waste(busy, MIDDLE), waste(busy, LARGE));
});

// hearth bench gemm on an H200, milliseconds; the least time alone, at the
// 43.5 TFLOP/s of the largest products, is 17 to 37 % less.
const MEASURED: [
  M: number,
  N: number,
  K: number,
  variant: string,
  ms: number,
][] = [
  [1024, 1024, 1024, "64x64x16 8x8 ahead block / 4", 0.068],
  [2048, 1152, 384, "128x64x16 8x8 ahead block", 0.066],
  [2048, 384, 1152, "64x64x16 8x8 ahead block / 5", 0.062],
  [384, 1152, 2048, "64x64x16 8x8 ahead block / 9", 0.060],
  [2048, 1536, 384, "128x64x16 8x8 ahead block", 0.067],
  [2048, 384, 1536, "64x64x16 8x8 ahead block / 5", 0.077],
  [384, 1536, 2048, "64x64x16 8x8 ahead block / 7", 0.075],
  [1536, 384, 2048, "64x64x16 8x8 ahead block / 7", 0.076],
];

Deno.test("coreWork() is near what an H200 took for it", () => {
  for (const [M, N, K, variant, ms] of MEASURED) {
    const { splitK, ...tile } = parseVariant(variant);
    const work = coreWork(shape(M, N, K), tile as ThreadTile, splitK);
    const perSec = 43.5e12 / 2 / 132; // of a core
    const said = 1e3 * work / perSec + 4e-3; // with the start of a dispatch
    assert.ok(Math.abs(said / ms - 1) < 0.12, `${M}x${N}x${K}: ${said} ms`);
  }
});

// The tuner on an H200, bf16, 128x128x32 64x64: k of 16384 in parts, with the
// sum of all parts, milliseconds of so many runs.
const PARTS: [M: number, N: number, ms: Readonly<Record<number, number>>][] = [
  [1536, 384, { 4: 0.541, 7: 0.335, 14: 0.374 }],
  [384, 1152, { 5: 0.536, 9: 0.334, 18: 0.371 }],
];

Deno.test("coreWork() tells parts of k apart on units, as measured", () => {
  const square = parseGemm(
    "128x128x32 64x64 matrix bf16 16x16x16 on 32 lanes",
  );
  for (const [M, N, ms] of PARTS) {
    const counts = Object.keys(ms).map(Number);
    const work = counts.map((parts) =>
      coreWork(shape(M, N, 16384), square, parts)
    );
    const best = splitByWaves(shape(M, N, 16384), square);
    const at = counts.indexOf(best);
    assert.equal(ms[best], Math.min(...Object.values(ms)));
    counts.forEach((parts, i) => {
      const counted = work[i] / work[at], took = ms[parts] / ms[best];
      assert.ok(
        Math.abs(counted / took - 1) < 0.05,
        `${M}x${N} in ${parts}: ${counted} of the best, measured ${took}`,
      );
    });
  }
});
