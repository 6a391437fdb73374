import assert from "node:assert/strict";
import { join } from "node:path";
import type { AdapterInfo } from "../../../src/backend/webgpu/device/adapters.ts";
import {
  chooseGemm,
  formatVariant,
  knownVariant,
  parseGemm,
  parseVariant,
  shapeKey,
  tunedCandidates,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import {
  ChosenKernels,
  formatChoice,
  type KernelChoice,
} from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import { siteKey } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { tuneKernels } from "../../../src/backend/webgpu/tuning/tune_kernels.ts";
import { openTuningCache } from "../../../src/backend/webgpu/tuning/tuning_cache.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import type { SessionParts } from "../../../src/train/assemble_session.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import {
  fakeDataset,
  openTestSession,
  tinyConfig,
} from "../../train/_helpers.ts";
import { openFaultyGpu } from "./_faulty_gpu.ts";
import {
  device,
  inWords,
  LARGE,
  MIDDLE,
  product,
  site,
  sites,
  SMALL,
} from "./_tuned_device.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

Deno.test("tuneKernels() times the best few at further sites, in time", async () => {
  const gpu = device({ [SMALL]: 9, [MIDDLE]: 1.2, [LARGE]: 1 });
  const { timed, guessed } = await tuneKernels({
    ...gpu,
    sites: sites(
      product(4096, 4096, 512),
      product(4096, 1024, 512),
      product(2048, 2048, 256),
      product(256, 256, 256),
      product(8, 8, 8),
    ),
    limitMs: 85,
  });
  assert.deepEqual(gpu.did, [
    `4096x4096x512 NN: ${SMALL}`,
    `4096x4096x512 NN: ${MIDDLE}`,
    `4096x4096x512 NN: ${LARGE}`,
    "4096x4096x512 NN: 3",
    "4096x1024x512 NN: 2",
  ]);
  assert.deepEqual(inWords(timed), [
    `4096x4096x512 NN: ${LARGE}`,
    `4096x1024x512 NN: ${LARGE}`,
  ]);
  // Beyond the limit: the best that has tiles enough, else the smallest.
  assert.deepEqual(inWords(guessed), [
    `2048x2048x256 NN: ${LARGE}`,
    `256x256x256 NN: ${MIDDLE} / 2`,
  ]);
});

Deno.test("tuneKernels() looks past what suits one shape alone", async () => {
  const on = (tile: string) => `${tile} matrix bf16 16x16x16 on 32 lanes`;
  const square = on("128x128x32 64x64"), narrow = on("128x96x32 64x48");
  // At 384 columns, the narrow one waits for 10 % less: it would be the
  // slower one, were all cores busy to the end.
  const gpu = device({ [square]: 1, [narrow]: 0.95 });
  const { timed, guessed } = await tuneKernels({
    ...gpu,
    sites: sites(product(16384, 384, 1536), product(4096, 4096, 384)),
    limitMs: 50,
  });
  assert.deepEqual(inWords(timed), [`16384x384x1536 NN: ${narrow}`]);
  assert.deepEqual(inWords(guessed), [`4096x4096x384 NN: ${square}`]);
});

Deno.test("tuneKernels() has what is compiled at once done at once", async () => {
  const times = { [SMALL]: 9, [MIDDLE]: 1.2, [LARGE]: 1 };
  const gpu = device(times, { timingMs: 1, atOnce: 2 });
  const { timed } = await tuneKernels({
    ...gpu,
    sites: sites(product(4096, 4096, 512), product(4096, 1024, 512)),
    limitMs: 75,
  });
  assert.deepEqual(gpu.did, [
    `compile 4096x4096x512 NN: 2`,
    `4096x4096x512 NN: ${SMALL}`,
    `4096x4096x512 NN: ${MIDDLE}`,
    `compile 4096x4096x512 NN: 1`,
    `4096x4096x512 NN: ${LARGE}`,
    "4096x4096x512 NN: 3",
    "4096x1024x512 NN: 2",
  ]);
  assert.equal(timed.size, 2);
  // Where the best are known, the first compilation tells how long it takes.
  gpu.did.length = 0;
  await tuneKernels({
    ...gpu,
    best: [LARGE, MIDDLE, SMALL].map(parseGemm),
    sites: sites(product(4096, 4096, 512)),
    limitMs: 75,
  });
  assert.deepEqual(gpu.did, [
    `compile 4096x4096x512 NN: 2`,
    `4096x4096x512 NN: ${LARGE}`,
    "4096x4096x512 NN: 3",
  ]);
});

Deno.test("tuneKernels() keeps neighbours apart where that is faster", async () => {
  const shapes = [1024, 4096].map((N) => ({
    ...product(4096, N, 512),
    neighbours: "> gelu",
  }));
  for (const isSlow of [false, true]) {
    const gpu = device({ [LARGE]: 2, [MIDDLE]: 1 });
    const time: typeof gpu.time = async (one, ways) => {
      const times = await gpu.time(one, ways);
      const slow = (way: KernelChoice) => isSlow && !("apart" in way);
      return times!.map((ms, i) => slow(ways[i]) ? 3 * ms : ms);
    };
    const { timed } = await tuneKernels({
      ...{ ...gpu, time, sites: sites(...shapes), limitMs: 1e9 },
    });
    const way = isSlow ? `${MIDDLE}, apart` : MIDDLE;
    assert.deepEqual(inWords(timed), [
      `4096x1024x512 NN > gelu: ${way}`,
      `4096x4096x512 NN > gelu: ${way}`,
    ]);
  }
});

Deno.test("tuneKernels() times attention among the products", async () => {
  const attrs = { B: 64, T: 256, H: 6, Hkv: 6, D: 64, p: 0.2, site: 3 };
  const gpu = device({ [LARGE]: 1, [MIDDLE]: 2, staged: 5, direct: 4 });
  const { timed } = await tuneKernels({
    ...gpu,
    sites: [site(product(4096, 4096, 512)), { kind: "attention", attrs }],
    limitMs: 1e9,
  });
  const [, attention] = inWords(timed);
  assert.equal(attention, "attention 64x256x6x64 dropout: direct");
});

Deno.test("tuneKernels() goes on from tiles that are known", async () => {
  const gpu = device({ [LARGE]: 1, [MIDDLE]: 2 });
  const { timed } = await tuneKernels({
    ...gpu,
    best: [MIDDLE, LARGE].map(parseGemm),
    sites: sites(product(4096, 4096, 512)),
    limitMs: 1e9,
  });
  const key = "4096x4096x512 NN"; // no race, but a look at how long it takes
  assert.deepEqual(gpu.did, [`${key}: ${MIDDLE}`, `${key}: 2`]);
  assert.deepEqual(inWords(timed), [`${key}: ${LARGE}`]);
  const slow = device({ [LARGE]: 1, [MIDDLE]: 2 }, { compileMs: 900 });
  const late = await tuneKernels({
    ...slow,
    best: [MIDDLE, LARGE].map(parseGemm),
    sites: sites(product(4096, 4096, 512)),
    limitMs: 2000,
  });
  assert.deepEqual(slow.did, [`${key}: ${MIDDLE}`]);
  assert.equal(late.timed.size, 0);
});

Deno.test("tuneKernels() times a part of what is large, or what fits", async () => {
  const gpu = device({ [MIDDLE]: 1, [LARGE]: 2 });
  const tryOut: typeof gpu.tryOut = (one, way) =>
    siteKey(one).includes("50304")
      ? Promise.resolve(null)
      : gpu.tryOut(one, way);
  const shapes = [product(512, 50304, 768), product(1 << 20, 512, 64)];
  const { timed } = await tuneKernels({
    ...{ ...gpu, tryOut, sites: sites(...shapes), limitMs: 1e9 },
  });
  const part = "457728x512x64 NN"; // 3e10 operations, whole 128s of rows
  assert.deepEqual(gpu.did, [
    ...[MIDDLE, LARGE].map((tile) => `${part}: ${tile}`),
    `${part}: 2`,
  ]);
  assert.deepEqual([...timed.keys()], [shapeKey(shapes[1])]);
});

Deno.test("tuneKernels() begins nothing that is likely to end too late", async () => {
  const times = { [LARGE]: 2, [MIDDLE]: 1, [SMALL]: 3 };
  const shapes = [product(4096, 4096, 512), product(2048, 2048, 256)];
  const tuned = async (slow: { compileMs: number; timingMs: number }) => {
    const gpu = device(times, slow);
    const { timed, guessed } = await tuneKernels({
      ...{ ...gpu, sites: sites(...shapes), limitMs: 2000 },
    });
    return {
      ...{ did: gpu.did, ms: gpu.now() },
      ...{ timed: inWords(timed), guessed: inWords(guessed) },
    };
  };
  // A driver that takes its time: two of three candidates, timed roughly.
  const [first, second] = [LARGE, MIDDLE].map((tile) =>
    `4096x4096x512 NN: ${tile}`
  );
  assert.deepEqual(await tuned({ compileMs: 900, timingMs: 500 }), {
    did: [first, second],
    ms: 1800,
    timed: [second],
    guessed: [`2048x2048x256 NN: ${MIDDLE}`],
  });
  // One that takes all of it with the first: the rest goes by the table.
  assert.deepEqual(await tuned({ compileMs: 3000, timingMs: 10 }), {
    did: [first],
    ms: 3000,
    timed: [first],
    guessed: [],
  });
});

Deno.test("tuneKernels() leaves out what a driver does not compile", async () => {
  const gpu = device({ [LARGE]: 1, [MIDDLE]: 2 });
  const tryOut: typeof gpu.tryOut = (one, way) =>
    formatChoice(way) === LARGE ? Promise.resolve(null) : gpu.tryOut(one, way);
  const { timed } = await tuneKernels({
    ...{ ...gpu, tryOut, limitMs: 1e9 },
    sites: sites(product(4096, 4096, 512)),
  });
  assert.deepEqual(inWords(timed), [`4096x4096x512 NN: ${MIDDLE}`]);
});

Deno.test("ChosenKernels tries tiles, neighbours apart and parts of k", () => {
  const info = { isSoftware: false, vendor: "nvidia" } as const;
  const chosen = new ChosenKernels(info as AdapterInfo, {
    maxComputeWorkgroupStorageSize: 49152,
  });
  const weight = {
    ...product(384, 1536, 16384),
    ...{ transA: true, neighbours: "+ sumRows" },
  };
  const ways = chosen.ways(site(weight), [MIDDLE, LARGE].map(parseGemm));
  // Seven parts of 144, 36 or 72 tiles give four groups of 128 threads to most
  // of 132 cores.
  assert.deepEqual(ways.map(formatChoice), [
    `${MIDDLE} / 7`,
    `${LARGE} / 7`,
    "128x64x16 8x8 ahead block / 7",
    `${MIDDLE} / 7, apart`,
    `${MIDDLE} / 4`,
    `${MIDDLE} / 14`,
  ]);
  // 65 columns: one tile of 96 has 31 too many, two of 64 have 63.
  const head = chosen.ways(
    site(product(16384, 65, 384)),
    [LARGE, MIDDLE].map(parseGemm),
  );
  assert.deepEqual(head.map(formatChoice), [
    "128x96x16 8x12 ahead block",
    LARGE,
    MIDDLE,
  ]);
  const attrs = { B: 1, T: 64, H: 1, Hkv: 1, D: 64, p: 0, site: 0 };
  assert.deepEqual(
    chosen.ways({ kind: "attentionBackward", attrs }, []).map(formatChoice),
    ["kept", "staged", "tall", "staged, again"],
  );
  assert.deepEqual(
    chosen.ways({ kind: "attention", attrs }, []).map(formatChoice),
    ["staged", "tall"],
  );
});

Deno.test("ChosenKernels takes what earlier versions have recorded", () => {
  const info = { isSoftware: false, vendor: null } as const;
  const chosen = new ChosenKernels(info as AdapterInfo, {});
  const one = site({ ...product(64, 64, 64), neighbours: "> gelu" });
  chosen.take({ "64x64x64 NN": SMALL, "attention 1x2x3x4": "unheard of" });
  assert.deepEqual(chosen.inWords([one]), { "64x64x64 NN > gelu": SMALL });
  assert.ok(!chosen.has(one)); // it may be timed
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

Deno.test("parseVariant() refuses what formatVariant() never writes", () => {
  const variant = { ...parseGemm(MIDDLE), splitK: 4 };
  assert.deepEqual(parseVariant(formatVariant(variant)), variant);
  const apart = { ...variant, apart: true };
  assert.deepEqual(parseVariant(formatVariant(apart)), apart);
  for (
    const text of [
      `${MIDDLE} / 0`,
      `${MIDDLE} / x`,
      `${MIDDLE} / 1 / 2`,
      `${MIDDLE}, apart, apart`,
    ]
  ) {
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
  const refused = {
    site: "4x5x6 NN",
    way: { flow: "direct" },
    why: "no",
  } as const;
  await cache.save({ "4x5x6 NN": LARGE }, [refused]);
  const both = { "1x2x3 NN": SMALL, "4x5x6 NN": LARGE };
  assert.deepEqual(await cache.load(), both);
  const other = openTuningCache({ ...ADAPTER, deviceId: "3" }, inside);
  assert.deepEqual(await other.load(), {});

  const [{ name }] = [...Deno.readDirSync(inside)];
  await cache.save({});
  const file = JSON.parse(await Deno.readTextFile(join(inside, name)));
  assert.deepEqual(file.refused, { "direct for 4x5x6 NN": "no" });
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

Deno.test("the tuning cache is for one driver, and for the kernels there are", async () => {
  const folder = await Deno.makeTempDir();
  const of = (driverVersion?: number) => {
    const facts = { driver: "some 1.0", isNvidiaDriver: true, memoryBytes: 1 };
    const vulkan = driverVersion === undefined
      ? undefined
      : { ...facts, driverVersion, place: 0 };
    return openTuningCache({ ...ADAPTER, vulkan }, folder);
  };
  await of(1).save({ "1x2x3 NN": SMALL });
  assert.deepEqual(await of(1).load(), { "1x2x3 NN": SMALL });
  assert.deepEqual(await of(2).load(), {});
  assert.deepEqual(await of().load(), {});

  const [{ name }] = [...Deno.readDirSync(folder)];
  const { adapter } = JSON.parse(await Deno.readTextFile(join(folder, name)));
  assert.equal(adapter.vulkanDriver, 1);
  // FNV-1a of the adapter alone would outlive all changes of shaders.
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(JSON.stringify(adapter))) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
  }
  const alone = hash.toString(16).padStart(16, "0");
  assert.match(name, /^kernels-[0-9a-f]{16}\.json$/);
  assert.notEqual(name, `kernels-${alone}.json`);
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
  const KEY = "16x64x16 NN > gelu kept";
  const chosen = kernelChoices![KEY]; // by the card, if it is one
  await first.dispose();

  const others = ["32x32x4 4x4 direct row", "32x32x16 4x4 staged row"];
  const recorded = others.find((variant) => variant !== chosen)!;
  const trainer = {
    ...snapshot.trainer,
    kernelChoices: { ...kernelChoices, [KEY]: recorded },
  };
  const second = await open({ ...snapshot, trainer });
  const { kernelChoices: kept } = (await second.snapshot()).trainer;
  assert.deepEqual(kept, trainer.kernelChoices);
  await second.dispose();
});
