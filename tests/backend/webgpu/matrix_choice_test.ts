import assert from "node:assert/strict";
import type { AdapterInfo } from "../../../src/backend/webgpu/device/adapters.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import {
  chooseGemm,
  formatGemm,
  formatVariant,
  knownVariant,
  parseGemm,
  parseVariant,
  tunedCandidates,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type {
  GemmVariant,
  MatrixTile,
} from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import {
  splitByWaves,
  waste,
} from "../../../src/backend/webgpu/choice/gemm_waves.ts";
import { matrixWorkgroupBytes } from "../../../src/backend/webgpu/gemm_matrix/gemm_matrix.ts";
import {
  matrixCandidates,
  matrixUnitFor,
} from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { ChosenKernels } from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import { openTuningCache } from "../../../src/backend/webgpu/tuning/tuning_cache.ts";

const NVIDIA: MatrixUnit = {
  ...{ M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
};
const LAVAPIPE: MatrixUnit = {
  ...{ M: 8, N: 8, K: 8, scalar: "f16", lanes: 8 },
};
const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupStorageSize: 48 << 10,
};
const CARD = { isSoftware: false, vendor: "nvidia", unit: NVIDIA } as const;
const LARGE = "128x128x32 64x64 matrix bf16 16x16x16 on 32 lanes";

Deno.test("matrixUnitFor() takes units of the precision alone", () => {
  const short = { ...NVIDIA, K: 8 },
    half = { ...NVIDIA, scalar: "f16" } as const;
  const units = [short, NVIDIA, half, { ...half, K: 4 }];
  assert.equal(matrixUnitFor("bf16", units), NVIDIA); // of the most work
  assert.equal(matrixUnitFor("fp16", units), half);
  assert.equal(matrixUnitFor("fp32", units), null);
  assert.equal(matrixUnitFor("bf16", [LAVAPIPE]), null);
  assert.equal(matrixUnitFor("bf16"), null);
  // No tile here is as deep, or as odd.
  assert.equal(matrixUnitFor("bf16", [{ ...NVIDIA, K: 64 }, NVIDIA]), NVIDIA);
  assert.equal(matrixUnitFor("bf16", [{ ...NVIDIA, N: 24 }, NVIDIA]), NVIDIA);
});

Deno.test("matrixCandidates() heeds the unit and the device", () => {
  const names = (unit: MatrixUnit, limits: Partial<GPUSupportedLimits>) =>
    matrixCandidates(unit, limits).map(formatGemm);
  assert.equal(names(NVIDIA, LIMITS).length, 6);
  assert.ok(names(NVIDIA, LIMITS).includes(LARGE));
  assert.deepEqual(
    names(LAVAPIPE, { maxComputeWorkgroupStorageSize: 8192 }),
    ["32x32x32 16x16 matrix f16 8x8x8 on 8 lanes"],
  );
  // Of a subgroup of 64 threads, 128 x 128 by 64 x 64 takes 256 threads.
  const wide = names({ ...NVIDIA, lanes: 64 }, {
    ...LIMITS,
    maxComputeInvocationsPerWorkgroup: 256,
  });
  assert.ok(wide.some((name) => name.startsWith("128x128x32 64x64")));
});

Deno.test("matrixCandidates() have parts that are whole units", () => {
  const tiles = (sides: Partial<MatrixUnit>, threads = 256) =>
    matrixCandidates({ ...NVIDIA, ...sides }, {
      maxComputeInvocationsPerWorkgroup: threads,
      maxComputeWorkgroupStorageSize: 1 << 20,
    }).map((tile) => formatGemm(tile).split(" matrix")[0]);
  const ofAll = [
    "128x128x32 64x64",
    "128x128x64 64x32",
    "128x192x64 64x48",
    "128x64x32 64x32",
    "64x96x32 32x48",
    "32x32x32 16x16",
  ];
  const of = (...places: number[]) => places.map((n) => ofAll[n]);
  assert.deepEqual(tiles({}), ofAll);
  assert.deepEqual(tiles({ M: 32 }), of(0, 1, 2, 3, 4)); // not of 16 rows
  assert.deepEqual(tiles({ N: 32 }), of(0, 1, 3)); // nor 16 or 48 columns
  assert.deepEqual(tiles({ K: 64 }), of(1, 2)); // nor 32 deep
  // Of eight subgroups of 32 threads, and of four.
  assert.deepEqual(tiles({}, 128), of(0, 3, 4, 5));
  assert.deepEqual(tiles({}, 127), []);
});

Deno.test("matrixCandidates() may take all of a workgroup's memory", () => {
  const has = (maxComputeWorkgroupStorageSize: number) =>
    matrixCandidates(NVIDIA, { ...LIMITS, maxComputeWorkgroupStorageSize })
      .some((tile) => formatGemm(tile) === LARGE);
  const needed = 2 * 128 * 80; // see below
  assert.deepEqual([has(needed), has(needed - 1)], [true, false]);
});

Deno.test("matrixWorkgroupBytes() counts rows with their padding", () => {
  const bytes = (text: string) =>
    matrixWorkgroupBytes(parseGemm(text) as MatrixTile);
  // 2 x 128 rows of 32 numbers, 80 bytes each, are the most of all layouts;
  // results are 4 subgroups x 16 rows x (64 + 8) numbers of 4 bytes.
  assert.equal(bytes(LARGE), 2 * 128 * 80);
  // Of 8 subgroups, results take more than 384 rows of 80 bytes.
  assert.equal(
    bytes("256x128x32 64x64 matrix bf16 16x16x16 on 32 lanes"),
    8 * 16 * 72 * 4,
  );
});

Deno.test("variants of matrix units can be written and read", () => {
  for (const unit of [NVIDIA, LAVAPIPE, { ...NVIDIA, M: 8, N: 32 }]) {
    for (const tile of matrixCandidates(unit, LIMITS)) {
      assert.deepEqual(parseGemm(formatGemm(tile)), tile);
    }
  }
  const text = `${LARGE} / 4, apart`;
  const variant = parseVariant(text);
  assert.equal(variant.splitK, 4);
  assert.equal(variant.apart, true);
  assert.equal(formatVariant(variant), text);
  assert.throws(() => parseGemm(LARGE.replace("bf16", "f32")), TypeError);
});

Deno.test("chooseGemm() takes units where there are any, but in software", () => {
  const choose = (M: number, N: number, K: number, isSoftware = false) => {
    const shape = { M, N, K, transA: false, transB: false };
    return formatVariant(chooseGemm(shape, { ...CARD, isSoftware }, LIMITS));
  };
  const on = (tile: string) => `${tile} matrix bf16 16x16x16 on 32 lanes`;
  // 1152 and 1536 tiles of 128 x 128 in places for 264: five waves and six.
  assert.equal(choose(16384, 1152, 384), LARGE);
  assert.equal(choose(16384, 1536, 384), LARGE);
  // 384 would be one and a half; 256 of 128 x 192, alone on a core, are two.
  assert.equal(choose(16384, 384, 1536), on("128x192x64 64x48"));
  // 6 x 6 tiles of 128, but with k in seven parts there are enough.
  assert.equal(choose(768, 768, 8192), `${LARGE} / 7`);
  assert.equal(choose(20, 384, 384), on("32x32x32 16x16"));
  assert.match(choose(16384, 1152, 384, true), /direct row$/);
  const shape = { M: 512, N: 512, K: 512, transA: false, transB: false };
  const plain = chooseGemm(shape, { ...CARD, unit: null }, LIMITS);
  assert.notEqual(plain.flow, "matrix");
});

Deno.test("waste() counts the waves of workgroups on units, by hand", () => {
  const M = 16384, N = 384, K = 1536;
  const shape = { M, N, K, transA: false, transB: false };
  const least = M * N * K / 132, depth = 1536 + 100;
  const near = (tile: string, work: number) => {
    const one = parseGemm(`${tile} matrix bf16 16x16x16 on 32 lanes`);
    assert.ok(Math.abs(waste(shape, one) * least / work - 1) < 1e-9, tile);
  };
  // 384 workgroups, two of a core at once: all have two, then some one, which
  // takes three quarters of the time of two.
  near("128x128x32 64x64", (2 + 1.5) * 128 * 128 * depth);
  // 256 of eight subgroups, one of a core: two waves, but units of 64 x 48 are
  // loaded more often.
  const loads = 0.9 + 3.2 * (1 / 64 + 1 / 48);
  const barriers = 73e3 / (128 * 192 * 32); // with no other to take turns with
  near("128x192x32 64x48", 2 * 128 * 192 * loads * (1 + barriers) * depth);
  // 6144 of 32 x 32, eight of a core: six waves, but from the cache come 64
  // rows and columns for 1024 sums.
  near("32x32x32 16x16", (5 * 8 + 7) * 51 * 64 * depth);
});

Deno.test("splitByWaves() splits k where there are few tiles of units", () => {
  const split = (M: number, N: number, K: number) =>
    splitByWaves({ M, N, K, transA: true, transB: false }, parseGemm(LARGE));
  assert.equal(split(4096, 4096, 4096), 1);
  assert.equal(split(384, 1536, 16384), 7); // 3 x 12 tiles in 264 places
  // Half as many of those that a core has one of at a time.
  const wide = LARGE.replace("128x128x32 ", "128x256x32 ");
  const gradient = { M: 384, N: 1536, K: 16384, transA: true, transB: false };
  assert.equal(splitByWaves(gradient, parseGemm(wide)), 7);
  assert.equal(split(128, 128, 256), 1); // not 8 tiles deep twice
  assert.equal(split(128, 128, 2048), 8); // as many as are 8 deep, on idle cores
  assert.equal(split(128, 128, 1 << 20), 32); // and never more than these
});

Deno.test("ChosenKernels tries tiles that suit the shape, the fastest first", () => {
  const on = (tile: string) =>
    parseGemm(`${tile} matrix bf16 16x16x16 on 32 lanes`);
  const info = { isSoftware: false, vendor: "nvidia", unit: NVIDIA };
  const chosen = new ChosenKernels(info as unknown as AdapterInfo, LIMITS);
  const square = "128x128x32 64x64", wide = "128x192x64 64x48";
  const ways = (M: number, N: number, K: number) =>
    chosen.ways({
      kind: "matmul",
      shape: { M, N, K, transA: false, transB: false },
    }, [on(square), on(wide)])
      .map((way) => formatVariant(way as GemmVariant).split(" matrix")[0]);
  // Two waves of wide ones; of square ones one and, by half a core each, another.
  assert.equal(ways(16384, 384, 1536)[0], wide);
  const six = ways(16384, 1536, 384); // waves of square ones
  assert.equal(six[0], square);
  assert.equal(six.length, 3); // one of them not known to be fast
});

Deno.test("tunedCandidates() try units first, and one way without", () => {
  const shape = { M: 768, N: 768, K: 8192, transA: false, transB: false };
  const flows = tunedCandidates(CARD, LIMITS, shape).map(({ flow }) => flow);
  assert.deepEqual(flows, [...Array(6).fill("matrix"), "ahead"]);
});

Deno.test("a device without the unit takes no variant of it from files", () => {
  assert.ok(knownVariant(`${LARGE} / 2`, LIMITS, NVIDIA));
  assert.equal(knownVariant(LARGE, LIMITS), null);
  assert.equal(knownVariant(LARGE, LIMITS, { ...NVIDIA, lanes: 64 }), null);
  assert.equal(
    knownVariant(LARGE, { maxComputeWorkgroupStorageSize: 16384 }, NVIDIA),
    null,
  );
  const info: Partial<AdapterInfo> = { isSoftware: false, vendor: "nvidia" };
  const shape = { M: 768, N: 768, K: 768, transA: false, transB: false };
  const takes = (unit: MatrixUnit | null) => {
    const chosen = new ChosenKernels({ ...info, unit } as AdapterInfo, LIMITS);
    chosen.take({ "768x768x768 NN": `${LARGE} / 2` });
    return formatVariant(chosen.gemm(shape));
  };
  assert.equal(takes(NVIDIA), `${LARGE} / 2`);
  // 72 tiles in 3 parts: two workgroups on the busiest of 132 cores.
  assert.equal(takes(null), "128x64x16 8x8 ahead block / 3");
});

Deno.test("openTuningCache() keeps what units do apart from what else does", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const adapter = { name: "card", vendorId: "1", deviceId: "2" };
    const open = (unit?: MatrixUnit) =>
      openTuningCache({ ...adapter, unit }, folder);
    await open(NVIDIA).save({ "768x768x768 NN": LARGE });
    assert.deepEqual(await open().load(), {});
    assert.deepEqual(await open(LAVAPIPE).load(), {});
    assert.deepEqual(await open(NVIDIA).load(), { "768x768x768 NN": LARGE });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
