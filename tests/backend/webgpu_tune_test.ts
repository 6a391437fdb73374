import assert from "node:assert/strict";
import { join } from "node:path";
import {
  chooseGemm,
  formatGemm,
  formatVariant,
  knownVariant,
  parseGemm,
  parseVariant,
  shapeKey,
  tunedCandidates,
} from "../../src/backend/webgpu/gemm_choice.ts";
import type {
  GemmShape,
  GemmVariant,
} from "../../src/backend/webgpu/gemm_variant.ts";
import {
  type GemmTrial,
  programShapes,
  tuneGemm,
} from "../../src/backend/webgpu/tune_gemm.ts";
import { openTuningCache } from "../../src/backend/webgpu/tuning_cache.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import type { SessionParts } from "../../src/train/session.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { fakeDataset, openTestSession, tinyConfig } from "../train/_helpers.ts";
import { openFaultyGpu } from "./_faulty_gpu.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

const product = (M: number, N: number, K: number): GemmShape => ({
  ...{ M, N, K, transA: false, transB: false },
});

/** A device where a product of each tile takes the time that is given. */
function device(
  times: Record<string, number>,
  { compileMs = 10, timingMs = 10 } = {},
) {
  const did: string[] = [];
  let nowMs = 0;
  const msOf = (variant: GemmVariant) => times[formatGemm(variant)];
  return {
    did,
    now: () => nowMs,
    candidates: Object.keys(times).map(parseGemm),
    tryOut(shape: GemmShape, variant: GemmVariant) {
      did.push(`${shapeKey(shape)}: ${formatGemm(variant)}`);
      nowMs += compileMs;
      return Promise.resolve<GemmTrial | null>({ ms: msOf(variant), timingMs });
    },
    time(shape: GemmShape, variants: readonly GemmVariant[]) {
      did.push(`${shapeKey(shape)}: ${variants.length}`);
      nowMs += timingMs * variants.length;
      return Promise.resolve<number[] | null>(variants.map(msOf));
    },
  };
}

function inWords(chosen: ReadonlyMap<string, GemmVariant>): string[] {
  return [...chosen].map(([key, one]) => `${key}: ${formatVariant(one)}`);
}

const SMALL = "32x32x16 4x4 staged row";
const MIDDLE = "64x64x16 8x8 ahead block";
const LARGE = "128x128x16 8x8 ahead block";

Deno.test("tuneGemm() times the best few on further shapes, in time", async () => {
  const gpu = device({ [SMALL]: 9, [MIDDLE]: 1.2, [LARGE]: 1 });
  const shapes = [
    product(4096, 4096, 512),
    product(4096, 1024, 512),
    product(2048, 2048, 256),
    product(256, 256, 256),
    product(8, 8, 8),
  ];
  const chosen = await tuneGemm({ ...gpu, shapes, limitMs: 85 });
  assert.deepEqual(gpu.did, [
    `4096x4096x512 NN: ${SMALL}`,
    `4096x4096x512 NN: ${MIDDLE}`,
    `4096x4096x512 NN: ${LARGE}`,
    "4096x4096x512 NN: 3",
    "4096x1024x512 NN: 2",
  ]);
  assert.deepEqual(inWords(chosen), [
    `4096x4096x512 NN: ${LARGE}`,
    `4096x1024x512 NN: ${LARGE}`,
    // Beyond the limit: the best that has tiles enough, else the smallest.
    `2048x2048x256 NN: ${LARGE}`,
    `256x256x256 NN: ${MIDDLE} / 2`,
  ]);
});

Deno.test("tuneGemm() times a part of what is large, or what fits", async () => {
  const gpu = device({ [MIDDLE]: 1, [LARGE]: 2 });
  const tryOut: typeof gpu.tryOut = (shape, variant) =>
    shape.N > 2048 ? Promise.resolve(null) : gpu.tryOut(shape, variant);
  const deep = product(1 << 20, 2048, 1 << 20);
  const shapes = [product(512, 50304, 768), product(1 << 20, 512, 64), deep];
  const chosen = await tuneGemm({ ...gpu, tryOut, shapes, limitMs: 1e9 });
  assert.deepEqual(gpu.did, [
    ...[MIDDLE, LARGE].map((tile) => `4096x512x64 NN: ${tile}`),
    "4096x512x64 NN: 2",
    "4096x2048x1788 NN: 1", // 3e10 / (2 * 4096 * 2048), whole fours
  ]);
  assert.deepEqual([...chosen.keys()], shapes.slice(1).map(shapeKey));
});

Deno.test("tuneGemm() begins nothing that is likely to end too late", async () => {
  const times = { [LARGE]: 2, [MIDDLE]: 1, [SMALL]: 3 };
  const shapes = [product(4096, 4096, 512), product(2048, 2048, 256)];
  const tuned = async (slow: { compileMs: number; timingMs: number }) => {
    const gpu = device(times, slow);
    const chosen = await tuneGemm({ ...gpu, shapes, limitMs: 2000 });
    return { did: gpu.did, ms: gpu.now(), chosen: inWords(chosen) };
  };
  // A driver that takes its time: two of three candidates, timed roughly.
  const [first, second] = [LARGE, MIDDLE].map((tile) =>
    `4096x4096x512 NN: ${tile}`
  );
  assert.deepEqual(await tuned({ compileMs: 900, timingMs: 500 }), {
    did: [first, second],
    ms: 1800,
    chosen: [second, `2048x2048x256 NN: ${MIDDLE}`],
  });
  // One that takes all of it with the first: the rest goes by the table.
  assert.deepEqual(await tuned({ compileMs: 3000, timingMs: 10 }), {
    did: [first],
    ms: 3000,
    chosen: [first],
  });
});

Deno.test("tuneGemm() leaves out what a driver does not compile", async () => {
  const gpu = device({ [LARGE]: 1, [MIDDLE]: 2 });
  const tryOut: typeof gpu.tryOut = (shape, variant) =>
    formatGemm(variant) === LARGE
      ? Promise.resolve(null)
      : gpu.tryOut(shape, variant);
  const shapes = [product(4096, 4096, 512)];
  const chosen = await tuneGemm({ ...gpu, tryOut, shapes, limitMs: 1e9 });
  assert.deepEqual(inWords(chosen), [`4096x4096x512 NN: ${MIDDLE}`]);
});

Deno.test("tunedCandidates() begin with what the table takes", () => {
  for (const vendor of ["nvidia", "amd", "apple", null] as const) {
    const adapter = { vendor, isSoftware: false };
    for (const shape of [product(4096, 4096, 512), product(64, 32, 64)]) {
      const { splitK: _, ...known } = chooseGemm(shape, adapter);
      const [first, ...rest] = tunedCandidates(adapter, {}, shape);
      assert.deepEqual(first, known);
      assert.ok(rest.length >= 4);
    }
  }
});

Deno.test("programShapes() has every product of many rows once", () => {
  const config = tinyConfig({ model: { nLayer: 3, nEmbd: 16, seqLen: 8 } });
  const program = buildStepProgram(resolveModel(config.model, 12), {
    ...config.train,
    batchSize: 2,
    gradAccumSteps: 2,
  });
  const keys = programShapes(program).map(shapeKey);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(keys.includes("16x64x16 NN") && keys.includes("16x12x16 NT"));
});

Deno.test("parseVariant() refuses what formatVariant() never writes", () => {
  const variant = { ...parseGemm(MIDDLE), splitK: 4 };
  assert.deepEqual(parseVariant(formatVariant(variant)), variant);
  for (const text of [`${MIDDLE} / 0`, `${MIDDLE} / x`, `${MIDDLE} / 1 / 2`]) {
    assert.throws(() => parseVariant(text), TypeError);
  }
});

Deno.test("knownVariant() takes no kernels from files but those made here", () => {
  const limits = { maxComputeInvocationsPerWorkgroup: 256 };
  const known = "64x64x16 8x8 ahead block";
  assert.deepEqual(
    knownVariant(`${known} / 4`, limits),
    { ...parseGemm(known), splitK: 4 },
  );
  const others = [
    ...["0x0x0 0x0 direct row", "7x9x1 3x5 staged row", ""],
    ...["999999999x64x16 8x8 ahead block", `${known} / 0`, `${known} / 1e9`],
  ];
  for (const text of others) assert.equal(knownVariant(text, limits), null);
});

const ADAPTER = { name: "Some GPU", vendorId: "1", deviceId: "2" };

Deno.test("the tuning cache survives damage and read-only homes", async () => {
  const folder = await Deno.makeTempDir();
  const inside = join(folder, "hearth");
  const cache = openTuningCache(ADAPTER, inside);
  assert.deepEqual(await cache.load(), {});
  await cache.save({ "1x2x3 NN": SMALL });
  await cache.save({ "4x5x6 NN": LARGE });
  const both = { "1x2x3 NN": SMALL, "4x5x6 NN": LARGE };
  assert.deepEqual(await cache.load(), both);
  const other = openTuningCache({ ...ADAPTER, deviceId: "3" }, inside);
  assert.deepEqual(await other.load(), {});

  const [{ name }] = [...Deno.readDirSync(inside)];
  for (const damaged of ["", "{", "[]", '{"choices": 7}', '{"choices": [1]}']) {
    await Deno.writeTextFile(join(inside, name), damaged);
    assert.deepEqual(await cache.load(), {});
  }
  await cache.save(both); // as if there had been none
  assert.deepEqual(await cache.load(), both);

  // A file where the folder should be: nothing can be written.
  const blocked = openTuningCache(ADAPTER, join(inside, name));
  await blocked.save(both);
  assert.deepEqual(await blocked.load(), {});
  await openTuningCache(ADAPTER, null).save(both);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("webgpu: a device that is lost while it is timed is named", {
  ignore: noAdapter,
}, async () => {
  const config = tinyConfig({ model: { nEmbd: 64, nHead: 2, seqLen: 64 } });
  const program = buildStepProgram(resolveModel(config.model, 64), {
    ...config.train,
    batchSize: 2,
    gradAccumSteps: 1,
  });
  // As if it were a GPU: software is not timed.
  const { backend, device } = await openFaultyGpu({ isSoftware: false });
  const timed = backend.chooseKernels(program, { tune: true });
  setTimeout(() => device.destroy(), 0);
  await assert.rejects(timed, /^UserError: Lost .*device was lost$/);
  await assert.rejects(backend.fits!(program), /Lost /);
});

Deno.test("webgpu: a resumed run takes the kernels that are recorded", {
  ignore: noAdapter,
}, async () => {
  const config = tinyConfig({
    model: { nLayer: 1, nHead: 2, nEmbd: 16, seqLen: 8 },
    train: { steps: 4, batchSize: 2 },
  });
  const dataset = fakeDataset(config);
  const open = async (
    restore?: SessionParts["restore"],
  ) =>
    await openTestSession({
      ...{ config, backend: await openTestGpu(), dataset, restore },
    });
  const first = await open();
  const snapshot = await first.snapshot();
  const { kernelChoices } = snapshot.trainer;
  const chosen = kernelChoices!["16x64x16 NN"]; // by the card, if it is one
  await first.dispose();

  const others = ["32x32x4 4x4 direct row", "32x32x16 4x4 staged row"];
  const recorded = others.find((variant) => variant !== chosen)!;
  const trainer = {
    ...snapshot.trainer,
    kernelChoices: { ...kernelChoices, "16x64x16 NN": recorded },
  };
  const second = await open({ ...snapshot, trainer });
  const { kernelChoices: kept } = (await second.snapshot()).trainer;
  assert.deepEqual(kept, trainer.kernelChoices);
  await second.dispose();
});
