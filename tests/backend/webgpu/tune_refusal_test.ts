import assert from "node:assert/strict";
import {
  parseGemm,
  shapeKey,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { NotCompiled } from "../../../src/backend/webgpu/loading/load_program.ts";
import {
  formatChoice,
  type KernelChoice,
} from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import {
  type KernelSite,
  programSites,
  siteKey,
} from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import {
  type RefusedWay,
  tuneKernels,
} from "../../../src/backend/webgpu/tuning/tune_kernels.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { withShaders } from "./_faulty_gpu.ts";
import {
  device,
  inWords,
  LARGE,
  MIDDLE,
  product,
  sites,
  SMALL,
} from "./_tuned_device.ts";
import { noAdapter, testAdapter } from "./_webgpu.ts";

/** The same device with a driver that does not compile these. */
function refusing(gpu: ReturnType<typeof device>, ...names: string[]) {
  const isRefused = (way: KernelChoice) => names.includes(formatChoice(way));
  const tryOut: typeof gpu.tryOut = async (one, way) => {
    const trial = await gpu.tryOut(one, way);
    return isRefused(way) ? { why: "out of registers" } : trial;
  };
  const time: typeof gpu.time = async (one, ways) => {
    const times = await gpu.time(one, ways);
    return ways.some(isRefused) ? null : times;
  };
  return { ...gpu, tryOut, time };
}

Deno.test("tuneKernels() times what compiles, and says what does not", async () => {
  const shapes = [product(4096, 4096, 512), product(2048, 2048, 256)];
  const [first, second] = shapes.map(shapeKey);
  const attrs = { B: 8, T: 1024, H: 8, Hkv: 8, D: 64, p: 0, site: 0 };
  const attention: KernelSite = { kind: "attention", attrs };
  const times = { [LARGE]: 1, [MIDDLE]: 2, [SMALL]: 2.5, staged: 1, direct: 2 };
  const tuned = async (limitMs: number, best: string[]) => {
    const gpu = refusing(device(times), LARGE, "staged");
    const { timed, guessed, refused } = await tuneKernels({
      ...{ ...gpu, best: best.map(parseGemm), limitMs },
      sites: [...sites(...shapes), attention],
    });
    return {
      did: gpu.did,
      timed: inWords(timed),
      guessed: inWords(guessed),
      refused: refused.map(({ site, way, why }) =>
        `${site}: ${formatChoice(way)}: ${why}`
      ),
    };
  };
  const heads = "attention 8x1024x8x64";
  const refused = [
    `${first}: ${LARGE}: out of registers`,
    `${heads}: staged: out of registers`,
  ];
  const timed = [
    `${first}: ${MIDDLE}`,
    `${second}: ${MIDDLE}`,
    `${heads}: direct`,
  ];
  // Where nothing is known, each is tried by itself anyway.
  const raced = await tuned(1e9, []);
  assert.deepEqual({ ...raced, did: 0 }, {
    did: 0,
    timed,
    guessed: [],
    refused,
  });
  // All at once, then one by one; the next site leaves it out.
  const compared = await tuned(1e9, [LARGE, MIDDLE, SMALL]);
  assert.deepEqual(
    { ...compared, did: 0 },
    { did: 0, timed, guessed: [], refused },
  );
  assert.deepEqual(compared.did.slice(0, 7), [
    `${first}: ${LARGE}`, // how long it takes
    `${first}: 3`,
    ...[LARGE, MIDDLE, SMALL].map((tile) => `${first}: ${tile}`),
    `${first}: 2`,
    `${second}: 2`,
  ]);
  // No time for the second site: it is not guessed to be computed so.
  const short = await tuned(105, [LARGE, MIDDLE, SMALL]);
  assert.deepEqual(short.timed, timed.slice(0, 1));
  assert.deepEqual(short.guessed, [`${second}: ${MIDDLE}`]);
});

Deno.test("tuneKernels() guesses no attention that a driver does not compile", async () => {
  const attrs = { B: 8, T: 1024, H: 8, Hkv: 8, D: 64, p: 0, site: 0 };
  const [one, other]: KernelSite[] = [attrs, { ...attrs, T: 512 }]
    .map((attrs) => ({ kind: "attention", attrs }));
  const gpu = refusing(device({ staged: 1, direct: 2 }), "staged");
  const { timed, guessed } = await tuneKernels({
    ...{ ...gpu, sites: [one, other], limitMs: 60 },
  });
  assert.deepEqual(inWords(timed), [`${siteKey(one)}: direct`]);
  assert.deepEqual(inWords(guessed), [`${siteKey(other)}: direct`]);
});

Deno.test("tuneKernels() guesses nothing that was refused as time ran out", async () => {
  const attrs = { B: 8, T: 1024, H: 8, Hkv: 8, D: 64, p: 0, site: 0 };
  const attention: KernelSite = { kind: "attention", attrs };
  const [large, middle, small] = [
    product(4096, 4096, 512),
    product(2048, 2048, 256),
    product(64, 32, 64), // too little to be timed
  ];
  const times = { [LARGE]: 1, [MIDDLE]: 2, [SMALL]: 2.5, staged: 1, direct: 2 };
  const tuned = async (
    refused: string[],
    { sites, limitMs, best = [] }: {
      sites: KernelSite[];
      limitMs: number;
      best?: string[];
    },
  ) => {
    const gpu = refusing(device(times), ...refused);
    const found = await tuneKernels({
      ...{ ...gpu, sites, limitMs, best: best.map(parseGemm) },
    });
    return {
      timed: inWords(found.timed),
      guessed: inWords(found.guessed),
      refused: found.refused.map(({ way }) => formatChoice(way)),
    };
  };
  const at = (shape: typeof large, tile: string) =>
    `${shapeKey(shape)}: ${tile}`;

  // The only one that there was time for, of attention and of a product.
  assert.deepEqual(
    await tuned(["staged"], { sites: [attention], limitMs: 5 }),
    {
      timed: [],
      guessed: [`${siteKey(attention)}: direct`],
      refused: ["staged"],
    },
  );
  assert.deepEqual(
    await tuned([LARGE], { sites: sites(large, middle), limitMs: 5 }),
    {
      timed: [],
      guessed: [at(large, MIDDLE), at(middle, MIDDLE)],
      refused: [LARGE],
    },
  );
  // The one after it is alone, which says nothing of the others but that.
  assert.deepEqual(
    await tuned([LARGE], { sites: sites(large, middle), limitMs: 25 }),
    {
      timed: [at(large, MIDDLE)],
      guessed: [at(middle, MIDDLE)],
      refused: [LARGE],
    },
  );
  // What is too small to be timed is computed by something, too, and the next
  // run finds that in the cache.
  assert.deepEqual(
    await tuned([LARGE], { sites: sites(large, small), limitMs: 1e9 }),
    {
      timed: [at(large, MIDDLE), at(small, MIDDLE)],
      guessed: [],
      refused: [LARGE],
    },
  );
  // Where all that is ranked is refused, another that may run.
  assert.deepEqual(
    await tuned([LARGE, MIDDLE], {
      ...{ sites: sites(large, small), limitMs: 1e9, best: [LARGE, MIDDLE] },
    }),
    {
      timed: [at(small, SMALL)],
      guessed: [at(large, SMALL)],
      refused: [LARGE, MIDDLE],
    },
  );
});

Deno.test("tuneKernels() tries what was refused at one site at no other", async () => {
  const shapes = [product(4096, 4096, 512), product(2048, 2048, 256)];
  const [first, second] = shapes.map(shapeKey);
  const gpu = refusing(device({ [LARGE]: 1, [MIDDLE]: 2, [SMALL]: 3 }), LARGE);
  const tryOut: typeof gpu.tryOut = async (one, way) => {
    const trial = await gpu.tryOut(one, way);
    const isTooLarge = siteKey(one) === first && formatChoice(way) !== LARGE;
    return isTooLarge ? null : trial; // so that there is nothing to rank
  };
  const { timed, guessed } = await tuneKernels({
    ...{ ...gpu, tryOut, sites: sites(...shapes), limitMs: 1e9 },
  });
  assert.deepEqual(inWords(timed), [`${second}: ${MIDDLE}`]);
  assert.deepEqual(inWords(guessed), [`${first}: ${MIDDLE}`]);
  assert.ok(gpu.did.includes(`${first}: ${LARGE}`));
  assert.ok(!gpu.did.includes(`${second}: ${LARGE}`));
});

Deno.test("webgpu: a product that does not compile is left out and named", {
  ignore: noAdapter,
}, async () => {
  const g = new Graph();
  const [a, b] = [g.state("a", [256, 64]), g.state("b", [64, 256])];
  g.matmul(a, b, { out: g.state("out", [256, 256]) });
  const program = plan({ g });
  const [only] = programSites(program);
  let broken: string | null = null;
  let saved: readonly RefusedWay[] = [];
  const info = { ...testAdapter.info, isSoftware: false };
  const adapter = withShaders({ ...testAdapter, info }, (code) => {
    // The first that is tried, and only that.
    if (isTuning && code.includes("fn main")) broken ??= code;
    return code === broken ? `${code}\nfn broken( {}` : code;
  });
  let isTuning = false;
  const backend = await openWebGpuBackend(adapter, {
    tuningCache: {
      load: () => Promise.resolve({ "1x1x1 NN": "32x32x4 4x4 direct row" }),
      save: (_, refused = []) => Promise.resolve(void (saved = refused)),
    },
  });
  isTuning = true;
  const notes: string[] = [];
  const timed: string[] = [];
  const chosen = await backend.chooseKernels(program, {
    ...{ tune: true, limitMs: 1e9 },
    onNote: (note) => void notes.push(note),
    onTimed: (_, ways) => timed.push(...ways.map(({ way }) => way)),
  });
  const [{ site, way, why }] = saved;
  assert.equal(saved.length, 1);
  assert.equal(site, siteKey(only));
  assert.ok(timed.length > 0 && !timed.includes(formatChoice(way)));
  assert.ok(timed.includes(chosen[siteKey(only)]));
  assert.ok(why.length > 0 && !why.includes("\n"));
  assert.equal(notes.length, 1);
  assert.match(notes[0], /does not compile 1 kernel, left out/);
  assert.ok(notes[0].endsWith(`${formatChoice(way)} for ${site}: ${why}`));
  // What is chosen computes.
  const executable = await backend.compile(program);
  executable.write("a", new Float32Array(256 * 64).fill(1));
  executable.write("b", new Float32Array(64 * 256).fill(2));
  await executable.run("g");
  const out = await executable.read("out");
  assert.ok(out.every((x) => x === 128));
  await backend.dispose();
});

Deno.test("NotCompiled points to WebGPU where that was not the way", () => {
  const vulkan = {
    ...{ driver: "fake 1.0", isNvidiaDriver: true, driverVersion: 1 },
    ...{ memoryBytes: 1, place: 0 },
  };
  const cause = new Error("out of registers\nsee the log");
  const error = new NotCompiled({ name: "A30", vulkan }, cause);
  assert.equal(error.why, "out of registers");
  assert.equal(error.message, `Cannot compute on A30: ${cause.message}`);
  assert.equal(
    error.hint,
    "use --device webgpu or cpu, or another driver",
  );
  const other = new NotCompiled({ name: "A30" }, cause);
  assert.equal(other.hint, "use --device cpu, or another driver");
});
