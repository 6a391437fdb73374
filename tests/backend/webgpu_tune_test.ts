import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { GemmShape, GemmVariant } from "../../src/backend/webgpu/gemm.ts";
import {
  formatGemm,
  formatVariant,
  parseGemm,
  parseVariant,
  shapeKey,
  tunedCandidates,
} from "../../src/backend/webgpu/gemm_choice.ts";
import { programShapes, tuneGemm } from "../../src/backend/webgpu/tune_gemm.ts";
import { openTuningCache } from "../../src/backend/webgpu/tuning_cache.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import type { SessionParts } from "../../src/train/session.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { fakeDataset, openTestSession, tinyConfig } from "../train/_helpers.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

const product = (M: number, N: number, K: number): GemmShape => ({
  ...{ M, N, K, transA: false, transB: false },
});

/** A device where a product of each tile takes the time that is given. */
function device(times: Record<string, number>) {
  const timed: string[] = [];
  let ms = 0;
  return {
    timed,
    now: () => ms,
    candidates: Object.keys(times).map(parseGemm),
    time: (shape: GemmShape, variants: readonly GemmVariant[]) => {
      timed.push(`${shapeKey(shape)}: ${variants.length}`);
      ms += 100;
      return Promise.resolve(variants.map((one) => times[formatGemm(one)]));
    },
  };
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
  const chosen = await tuneGemm({ ...gpu, shapes, limitMs: 150 });
  assert.deepEqual(gpu.timed, [
    "4096x4096x512 NN: 3",
    "4096x1024x512 NN: 2",
  ]);
  assert.deepEqual(
    [...chosen].map(([key, variant]) => `${key}: ${formatVariant(variant)}`),
    [
      `4096x4096x512 NN: ${LARGE}`,
      `4096x1024x512 NN: ${LARGE}`,
      // Beyond the limit: the best that has tiles enough, else the smallest.
      `2048x2048x256 NN: ${LARGE}`,
      `256x256x256 NN: ${MIDDLE} / 2`,
    ],
  );
});

Deno.test("tuneGemm() times a part of what is large, or what fits", async () => {
  const gpu = device({ [MIDDLE]: 1, [LARGE]: 2 });
  const time: typeof gpu.time = (shape, variants) => {
    if (shape.N > 2048) throw new UserError("no memory", { hint: "" });
    return gpu.time(shape, variants);
  };
  const shapes = [product(512, 50304, 768), product(1 << 20, 512, 64)];
  const chosen = await tuneGemm({ ...gpu, time, shapes, limitMs: 1e9 });
  assert.deepEqual(gpu.timed, ["4096x512x64 NN: 2"]);
  assert.deepEqual([...chosen.keys()], [shapeKey(shapes[1])]);
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
  assert.ok(tunedCandidates().length >= 5);
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
