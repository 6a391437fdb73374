import assert from "node:assert/strict";
import type { AttentionChoice } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { parseGemm } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type {
  GemmShape,
  GemmVariant,
} from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import {
  formatChoice,
  type KernelChoice,
} from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import {
  type KernelSite,
  programSites,
  recordSite,
  shrinkSite,
  siteFlops,
  siteKey,
} from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { timeKernels } from "../../../src/backend/webgpu/tuning/time_kernels.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
} from "../../../src/backend/webgpu/webgpu_backend.ts";
import { encodeFloats } from "../../../src/base/float_formats.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { sizeOf } from "../../../src/graph/tensor.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { noAdapter, openTestGpu, testAdapter } from "./_webgpu.ts";

/** A step of rows of 16 or more, two to a batch. */
function step(
  model: NonNullable<Parameters<typeof tinyConfig>[0]>["model"],
  vocabSize = 12,
): Program {
  const config = tinyConfig({
    model: { nLayer: 2, nEmbd: 16, nHead: 2, seqLen: 8, ...model },
  });
  return buildStepProgram(resolveModel(config.model, vocabSize), {
    ...config.train,
    ...{ batchSize: 2, gradAccumSteps: 2 },
  });
}

Deno.test("programSites() has each product with its neighbours once", () => {
  const keys = programSites(step({ dropout: 0.1 })).map(siteKey);
  assert.equal(new Set(keys).size, keys.length);
  for (
    const key of [
      "16x64x16 NN > gelu kept",
      "16x16x64 NN > dropout",
      "16x64x16 NT > geluBackward",
      "16x12x16 NT",
      "attention 2x8x2x8 dropout",
      "attentionBackward 2x8x2x8 dropout",
    ]
  ) assert.ok(keys.includes(key), `${key} of ${keys.join(", ")}`);
});

Deno.test("programSites() says what is stored in two bytes", () => {
  const stored = (precision: "fp32" | "bf16" | "fp16") =>
    Object.fromEntries(
      programSites(step({ dropout: 0.1 }), precision)
        .map((site) => [siteKey(site), site.stored]),
    );
  const bf16 = stored("bf16"), fp16 = stored("fp16");
  // Activations, but for what flows past all layers, weights and logits.
  const fc = "16x64x16 NN > gelu kept", slope = "16x64x16 NT > geluBackward";
  assert.deepEqual(bf16[fc], { a: "bf16", result: "bf16" });
  assert.deepEqual(bf16["16x16x64 NN > dropout"], { a: "bf16" });
  assert.deepEqual(bf16[slope], {
    ...{ a: "bf16", result: "bf16", before: "bf16" },
  });
  assert.deepEqual(bf16["16x64x16 TN + sumRows"], {
    ...{ a: "bf16", b: "bf16" },
  });
  assert.deepEqual(bf16["attentionBackward 2x8x2x8 dropout"], {
    ...{ qkv: "bf16", out: "bf16", dOut: "bf16", dQkv: "bf16" },
  });
  // With fp16 gradients stay bf16.
  assert.deepEqual(fp16[slope], {
    ...{ a: "bf16", result: "bf16", before: "f16" },
  });
  assert.deepEqual(fp16[fc], { a: "f16", result: "f16" });
  assert.deepEqual(stored("fp32")[fc], {});
});

Deno.test("webgpu: products of logits are timed as they are stored", {
  ignore: noAdapter,
}, async () => {
  const gpu = await openTestGpu();
  for (const precision of ["fp32", "bf16"] as const) {
    const sites = new Map(
      programSites(step({}, 13), precision).map((
        site,
      ) => [siteKey(site), site]),
    );
    const expected = precision === "fp32"
      ? {
        "16x13x16 NT": { out: "filled" },
        "16x16x13 NN": { a: "filled" },
        "13x16x16 TN": { a: "filled" },
      }
      : {
        "16x13x16 NT": { a: "bf16", out: "filled" },
        "16x16x13 NN": { a: "bf16", out: "bf16" },
        "13x16x16 TN": { a: "bf16", b: "bf16" },
      };
    for (const [key, stored] of Object.entries(expected)) {
      const site = sites.get(key);
      assert.deepEqual(site?.stored, stored, key);
      const ways = [parseGemm("32x32x16 4x4 staged row")]
        .map((tile) => ({ ...tile, splitK: 1 }));
      await timeKernels(gpu, site!, { ways, rounds: 1, roundMs: 1 });
    }
  }
  await gpu.dispose();
});

Deno.test("webgpu: sites compute with tensors of two bytes", {
  ignore: noAdapter,
}, async () => {
  const shape = { M: 12, N: 8, K: 20, transA: false, transB: true };
  const g = new Graph();
  recordSite(g, { kind: "matmul", shape });
  const program = plan({ g });
  const numbers = (name: string) => {
    const { shape } = program.persistent.get(name)!;
    return Float32Array.from(
      { length: sizeOf(shape) },
      (_, i) => Math.fround(i % 15 - 7), // which bf16 holds
    );
  };
  const words = (name: string) =>
    new Uint32Array(encodeFloats(numbers(name), "BF16").buffer);
  const gpu = await openTestGpu();
  const plain = await gpu.compile(program);
  const stored = { a: "bf16", b: "bf16", out: "bf16" } as const;
  const short = await gpu.compile(program, { stored });
  for (const name of ["a", "b"]) {
    plain.write(name, numbers(name));
    short.write(name, words(name));
    assert.deepEqual(await short.read(name), words(name));
    assert.throws(() => short.write(name, numbers(name)), TypeError);
  }
  await plain.run("g");
  await short.run("g");
  const out = encodeFloats(await plain.read("out") as Float32Array, "BF16");
  assert.ok(out.some((byte) => byte !== 0));
  assert.deepEqual(await short.read("out"), new Uint32Array(out.buffer));
  await gpu.dispose();
});

Deno.test("shrinkSite() takes rows away, in whole tiles", () => {
  const fewer = (one: KernelSite) => siteKey(shrinkSite(one, 3e10));
  const product = (M: number, N: number, K: number, transA = false) => ({
    kind: "matmul" as const,
    shape: { M, N, K, transA, transB: false } satisfies GemmShape,
  });
  assert.equal(fewer(product(4096, 4096, 512)), "4096x4096x512 NN");
  // 3e10 / (2 * 50304 * 768) rows, whole 128s.
  assert.equal(fewer(product(8192, 50304, 768)), "384x50304x768 NN");
  assert.equal(fewer(product(768, 50304, 8192, true)), "768x50304x384 TN");
  const attrs = { B: 64, T: 1024, H: 12, Hkv: 12, D: 64, p: 0, site: 0 };
  const attention = { kind: "attention", attrs } as const;
  // Two products of a triangle of 1024 x 1024 scores, for 12 heads of 64.
  assert.equal(siteFlops(attention), 2 * 64 * 12 * 1024 ** 2 * 64);
  assert.equal(fewer(attention), "attention 18x1024x12x64");
});

// As tuning times them: fused or apart, k in parts, slopes kept or not.
for (
  const [name, model, kinds] of [
    [
      "gpt2",
      { nLayer: 1, dropout: 0.2, bias: true },
      ["+ sumRows", "> gelu", "> dropout", "attentionBackward"],
    ],
    ["llama", { nLayer: 1, arch: "llama", nKvHead: 1 }, ["> swiglu"]],
  ] as const
) {
  Deno.test(`webgpu: sites of ${name} compute the same in all ways`, {
    ignore: noAdapter,
  }, async () => {
    const gpu = await openTestGpu();
    const tile = parseGemm("32x32x4 4x4 direct row");
    const products = [
      { ...tile, splitK: 1 },
      { ...tile, splitK: 1, apart: true },
      { ...tile, splitK: 2 },
    ];
    const flow = "direct";
    for (const one of programSites(step(model))) {
      const key = siteKey(one);
      if (!kinds.some((kind) => key.includes(kind))) continue;
      const ways = one.kind === "matmul"
        ? products
        : [{ flow }, { flow, again: true }] as const;
      const [first, ...others] = await computed(gpu, one, ways);
      assert.ok(first.length > 1 && first.some((value) => value !== 0));
      others.forEach((numbers, i) => {
        numbers.forEach((value, j) => {
          const allowed = 1e-5 * Math.max(1, Math.abs(first[j])); // f32 sums
          const error = Math.abs(value - first[j]);
          const what = `${key} by ${formatChoice(ways[i + 1])}`;
          assert.ok(error <= allowed, `${what}: ${value}, ${first[j]}`);
        });
      });
    }
    await gpu.dispose();
  });
}

// Two tiles, heads of two parts; an oracle is for the first way.
Deno.test("webgpu: attention computes the same by eight rows per thread", {
  ignore: noAdapter,
}, async () => {
  const gpu = await openTestGpu();
  const attrs = { B: 1, T: 68, H: 2, Hkv: 1, D: 32, p: 0.2, site: 7 };
  for (const kind of ["attention", "attentionBackward"] as const) {
    const ways = [
      { flow: "direct" },
      { flow: "tall" },
      ...kind === "attention" ? [] : [{ flow: "tall", again: true } as const],
    ] as const;
    const [first, ...others] = await computed(gpu, { kind, attrs }, ways);
    for (const numbers of others) {
      numbers.forEach((value, i) => {
        const allowed = 1e-5 * Math.max(1, Math.abs(first[i]));
        const error = Math.abs(value - first[i]);
        assert.ok(error <= allowed, `${kind} ${i}: ${value}, ${first[i]}`);
      });
    }
  }
  await gpu.dispose();
});

/** All that a site writes, an array for each way. */
async function computed(
  gpu: WebGpuBackend,
  one: KernelSite,
  ways: readonly KernelChoice[],
): Promise<number[][]> {
  const program = plan(Object.fromEntries(ways.map((_, i) => {
    const g = new Graph();
    recordSite(g, one);
    return [`${i}`, g];
  })));
  const executable = await gpu.compile(program, {
    gemmVariant: (_, phase) => ways[Number(phase)] as GemmVariant,
    attention: (_, phase) => ways[Number(phase)] as AttentionChoice,
  });
  // Apart, they are more.
  const count = (i: number) => executable.dispatches(`${i}`).length;
  assert.ok(one.kind !== "matmul" || count(1) > count(0), siteKey(one));
  const results: number[][] = [];
  for (const i of ways.keys()) {
    for (const { name, dtype, shape } of program.persistent.values()) {
      const length = sizeOf(shape);
      const array = dtype === "u32"
        ? Uint32Array.from({ length }, (_, j) => j)
        : Float32Array.from(
          { length },
          (_, j) => Math.sin(j + name.length) / 2,
        );
      executable.write(name, array);
    }
    await executable.run(`${i}`);
    const all: number[] = [];
    for (const name of ["out", "result", "sums", "dQkv", "lse"]) {
      if (!program.persistent.has(name)) continue;
      all.push(...await executable.read(name));
    }
    results.push(all);
  }
  await executable.dispose();
  return results;
}

Deno.test("webgpu: tuning times what it can and the next run the rest", {
  ignore: noAdapter,
}, async () => {
  const program = step({ nLayer: 1, nEmbd: 64, seqLen: 64, dropout: 0.1 });
  const all = programSites(program);
  // All is known but for two products, which spares a CPU the rest.
  const open = all.filter(({ kind }) => kind === "matmul").slice(0, 2)
    .map(siteKey);
  let saved: Record<string, string> = Object.fromEntries(
    all.filter((one) => !open.includes(siteKey(one))).map((one) => [
      siteKey(one),
      one.kind === "matmul" ? "32x32x4 4x4 direct row" : "direct",
    ]),
  );
  const tuningCache = {
    load: () => Promise.resolve(saved),
    save: (choices: Record<string, string>) =>
      Promise.resolve(void (saved = { ...saved, ...choices })),
  };
  const tuned = async (limitMs: number) => {
    // As if it were a GPU: software is not timed.
    const info = { ...testAdapter.info, isSoftware: false };
    const adapter = { ...testAdapter, info };
    const gpu = await openWebGpuBackend(adapter, { tuningCache });
    const timed: string[] = [];
    const chosen = await gpu.chooseKernels(program, {
      ...{ tune: true, limitMs },
      onTimed: (key) => timed.push(key),
    });
    await gpu.dispose();
    return { timed, chosen };
  };
  const known = { ...saved };
  const first = await tuned(0); // time for a look at how long one takes
  assert.deepEqual(first.timed, []);
  assert.deepEqual(Object.keys(first.chosen), all.map(siteKey));
  assert.deepEqual(saved, known); // what is guessed is not for later runs
  const second = await tuned(1e9);
  assert.deepEqual(second.timed, open);
  for (const key of open) assert.equal(saved[key], second.chosen[key]);
  assert.deepEqual((await tuned(0)).chosen, second.chosen);
});
