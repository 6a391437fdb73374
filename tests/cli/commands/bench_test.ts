import assert from "node:assert/strict";
import { readCpuInfo } from "../../../src/backend/cpu/cores.ts";
import { flopsPerToken } from "../../../src/model/model_size.ts";
import {
  BENCH_PROFILES,
  benchModel,
} from "../../../src/cli/bench/bench_model.ts";
import { trialParams } from "../../../src/train/trial_params.ts";
import {
  formatProducts,
  parseProduct,
  type ProductFigures,
} from "../../../src/cli/bench/bench_gemm.ts";
import { formatOps } from "../../../src/cli/bench/bench_ops.ts";
import { formatTrain } from "../../../src/cli/bench/bench_train.ts";
import { spreadPct, summarize } from "../../../src/cli/bench/timing.ts";
import { parameters } from "../../../src/model/parameters.ts";
import { noAdapter, testAdapter } from "../../backend/webgpu/_webgpu.ts";
import { Workspace } from "../_workspace.ts";

/** What every JSON line says about where it was measured. */
const SURROUNDINGS = [
  ...["machine", "threads", "kernels", "hearth", "commit"],
  ...["precision", "peakRssBytes"],
];
const SMALL = ["--profile", "char-cpu", "--batch-size", "1", "--seq-len", "8"];
const QUICK = ["--seconds", "0", "--threads", "1"];

/** Runs a measurement; the last line of its output, and all of it. */
async function bench(argv: string[]) {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.run(["bench", ...argv]);
  assert.equal(code, 0, err);
  assert.deepEqual(await workspace.names(), []); // it keeps nothing
  const json = JSON.parse(out.trimEnd().split("\n").at(-1)!);
  for (const key of SURROUNDINGS) assert.ok(key in json, key);
  return { json, out, err };
}

Deno.test("hearth bench train prints a table, then JSON", async () => {
  const { json, out, err } = await bench(["train", ...SMALL, ...QUICK]);
  assert.match(out, /^model +gpt2 L4 H4 C128 T8 B1 V65, 797k parameters\n/);
  assert.match(out, /\ntokens\/s +[\d,]+\nms\/step +[\d.]+ \(median of 5; /);
  assert.match(err, /^cpu: .*, 1 thread, .*, fp32\n$/);
  assert.equal(json.bench, "train");
  assert.equal(json.threads, 1);
  assert.equal(json.precision, "fp32");
  assert.ok(json.peakRssBytes > 1e7);
  // Three ways to say how fast it was, one figure.
  const seconds = json.msPerStep / 1000;
  assert.ok(Math.abs(json.tokensPerSec * seconds - 8) < 1e-9);
  const flops = json.gflops * 1e9 / json.tokensPerSec;
  assert.ok(Math.abs(flops / json.flopsPerToken - 1) < 1e-9);
});

Deno.test("hearth bench --json prints nothing but the object", async () => {
  const argv = ["gemm", "4x5x6", "8x8x8", "--json", "--gemm", "wasm"];
  const { json, out } = await bench([...argv, ...QUICK]);
  assert.equal(out.trimEnd().split("\n").length, 1);
  assert.match(json.kernels, /^wasm/);
  const [first] = json.products;
  assert.deepEqual([first.M, first.N, first.K], [4, 5, 6]);
  const flops = first.gflops * first.time.medianMs * 1e6;
  assert.ok(Math.abs(flops - 2 * 4 * 5 * 6) < 1e-6);
});

Deno.test("hearth bench gemm --variants shows all that a GPU may take", {
  ignore: noAdapter,
}, async () => {
  const argv = [
    "gemm",
    "8x12x16",
    "--variants",
    "--device",
    testAdapter.info.id,
  ];
  const { json, out } = await bench([...argv, "--seconds", "0"]);
  assert.match(out, /^product .* factors +computed\n/);
  const variants = json.products.map(({ variant }: ProductFigures) => variant);
  assert.ok(variants.includes("32x32x4 4x4 direct row"));
  assert.equal(new Set(variants).size, variants.length);
  for (const { gflops, time } of json.products) {
    const flops = gflops * time.medianMs * 1e6;
    assert.ok(Math.abs(flops / (2 * 8 * 12 * 16) - 1) < 1e-9);
  }
});

Deno.test("hearth bench gemm takes factors of both kinds in bf16", {
  ignore: noAdapter,
}, async () => {
  const argv = ["gemm", "8x12x16TN", "8x6x16", "--precision", "bf16"];
  const { json } = await bench([
    ...[...argv, "--device", testAdapter.info.id, "--seconds", "0"],
  ]);
  // Rows of 6 are read one by one, which two bytes are not.
  assert.deepEqual(
    json.products.map(({ N, factors }: ProductFigures) => [N, factors]),
    [[12, "f32"], [12, "bf16"], [6, "f32"]],
  );
});

Deno.test("hearth bench ops accounts for the whole step", async () => {
  const argv = ["ops", "--calls", ...SMALL, "--seconds", "0"];
  const { json, out } = await bench([...argv, "--threads", "2"]);
  assert.match(out, /^op +calls +ms +share +waits +GFLOP\/s +GB\/s +sizes\n/);
  const shares = json.ops.map(({ sharePct }: { sharePct: number }) => sharePct);
  const total = shares.reduce((a: number, b: number) => a + b);
  assert.ok(Math.abs(total - 100) < 1e-6);
  for (const { op, waitPct } of json.ops) {
    assert.ok(waitPct >= 0 && waitPct <= 100, `${op} waits ${waitPct} %`);
  }
  // One thread may do all of so small a step, while the other is kept away.
  assert.ok(json.waitMsPerStep >= 0 && json.waitMsPerStep < json.msPerStep);
  // 4 layers of 4 products and the head, each with two gradients.
  const matmul = json.ops.find(({ op }: { op: string }) => op === "matmul");
  assert.equal(matmul.calls, 3 * (4 * 4 + 1));
  assert.deepEqual(json.calls[2].attrs, { rows: 8, C: 128, eps: 1e-5 });
});

Deno.test("hearth bench generate reads every weight per token", async () => {
  const { json, out } = await bench([
    ...["generate", "--profile", "char-cpu", "--threads", "1"],
    ...["--prompt-tokens", "3", "--max-new-tokens", "5"],
  ]);
  assert.match(out, /^tokens\/s +[\d.]+\n/);
  assert.equal(json.newTokens, 5);
  // The context has 64 tokens: the last 5, and a prompt that fills it.
  assert.equal(json.endTokens, 64 - 5);
  assert.equal(json.endToken.runs, 5);
  assert.equal(json.readTokens, 64);
  assert.equal(json.promptTokensPerSec, 64 / json.read.medianMs * 1000);
  // All 804,096 parameters but the 64 x 128 positions.
  assert.equal(json.weightBytes, 4 * (804_096 - 64 * 128));
});

Deno.test("hearth bench says what it cannot measure", async () => {
  await using workspace = await Workspace.create();
  const cases: [argv: string[], message: string, hint: string][] = [
    [
      ["train", "--profile", "gpt3"],
      'Cannot measure profile "gpt3": expected one of ' +
      BENCH_PROFILES.join(", "),
      "did you mean gpt2?",
    ],
    [
      ["gemm", "64x64"],
      'Cannot multiply "64x64": expected MxNxK, each from 1 to 131072',
      "hearth bench gemm 1024x1024x1024",
    ],
    [
      ["gemm", "--device", "nowhere"],
      'Cannot use device "nowhere", this machine offers cpu (CPU)',
      "use one of these",
    ],
    [
      ["gemm", "--device", " "],
      "Cannot use an empty text as device",
      "expected auto, cpu, gpu:N, cuda:N, vulkan:N, webgpu:N or part of a name",
    ],
    [
      ["train", "--profile", "nothing-like-it"],
      'Cannot measure profile "nothing-like-it": expected one of ' +
      BENCH_PROFILES.join(", "),
      "use char-cpu",
    ],
    [
      ["ops", "--seconds", "-1"],
      "Cannot measure for -1 seconds: expected 0 or more",
      "put a number after --seconds, or leave it out",
    ],
  ];
  for (const [argv, message, hint] of cases) {
    const { code, out, err } = await workspace.run(["bench", ...argv]);
    assert.deepEqual([code, out], [2, ""]);
    const anywhere = err.replaceAll(readCpuInfo().name, "CPU")
      .replace(/(?<=offers cpu \(CPU\)), .*/, "") // a GPU or more
      .replace("type hearth doctor to learn why there is no GPU", hint);
    assert.equal(anywhere, `error: ${message}\nhint: ${hint}\n`);
  }
});

Deno.test("benchModel() knows models of published size", async () => {
  const sizes: Record<string, [batchSize: number, flops: number]> = {
    // 6 * (12 * L * C * C + V * C) + 12 * L * C * T, by hand.
    "char-cpu": [12, 6 * (12 * 4 * 128 ** 2 + 65 * 128) + 12 * 4 * 128 * 64],
    "char": [8, 6 * (12 * 6 * 384 ** 2 + 65 * 384) + 12 * 6 * 384 * 256],
    "gpt2": [
      2,
      6 * (12 * 12 * 768 ** 2 + 50304 * 768) + 12 * 12 * 768 * 256,
    ],
  };
  for (const [profile, [batchSize, flops]] of Object.entries(sizes)) {
    const { model, config } = await benchModel(profile, []);
    assert.equal(config.train.batchSize, batchSize);
    assert.equal(flopsPerToken(model), flops);
    assert.equal(model.dropout, 0);
  }
});

Deno.test("benchModel() takes every profile, and flags over it", async () => {
  for (const profile of BENCH_PROFILES) {
    const { model, config } = await benchModel(profile, [
      { path: "train.batchSize", value: 3, typed: "" },
    ]);
    assert.equal(config.train.batchSize, 3);
    assert.ok(model.vocabSize >= 65);
  }
});

Deno.test("trialParams() gives every parameter its scale", async () => {
  const { model } = await benchModel("char-cpu", []);
  const values = new Map<string, Float32Array>();
  for (const [name, lent] of trialParams(model)) values.set(name, lent.slice());
  for (const { name, init } of parameters(model)) {
    const tensor = values.get(name)!;
    const square = tensor.reduce((sum, x) => sum + x * x, 0) / tensor.length;
    const wanted = init.kind === "constant" ? Math.abs(init.value) : init.std;
    assert.ok(Math.abs(Math.sqrt(square) - wanted) <= 0.05 * wanted, name);
  }
});

Deno.test("summarize() gives median and quartiles", () => {
  const timing = summarize([5, 1, 4, 2, 3]);
  assert.deepEqual(timing, {
    medianMs: 3,
    lowMs: 2,
    highMs: 4,
    bestMs: 1,
    runs: 5,
  });
  assert.equal(spreadPct(timing), 100 * 2 / 3);
  assert.equal(summarize([7]).medianMs, 7);
});

const TIME = { medianMs: 2, lowMs: 1.5, highMs: 2.5, bestMs: 1, runs: 9 };

Deno.test("formatProducts() shows GB/s where memory is the limit", () => {
  const product = { ...parseProduct("1x768x3072"), transB: true };
  const figures = [{ ...product, time: TIME, gflops: 2.36, gbPerSec: 4.72 }];
  assert.equal(
    formatProducts(figures),
    "product    transposed  M    N     K     ms  spread  GFLOP/s  GB/s\n" +
      "asked for  B           1  768  3072  2.000  50.0 %      2.4   4.7",
  );
});

Deno.test("formatOps() leaves GFLOP/s out where none are meant", () => {
  const times = { ms: 1.5, sharePct: 100, waitPct: 2.5 };
  const op = { calls: 1, ...times, gflops: null, gbPerSec: 8 };
  const figures = {
    ...{ tokensPerSec: 1, msPerStep: 2, waitMsPerStep: 0.04 },
    ...{ step: TIME, calls: [] },
  };
  assert.equal(
    formatOps({ ...figures, ops: [{ ...op, op: "adamw" }] }, { calls: false }),
    "op     calls     ms    share  waits  GFLOP/s  GB/s\n" +
      "adamw      1  1.500  100.0 %  2.5 %            8.0",
  );
});

Deno.test("formatTrain() gives median and spread", async () => {
  const { model } = await benchModel("char-cpu", []);
  const text = formatTrain({
    shape: { ...model, batchSize: 12 },
    parameterCount: 804_096,
    tokensPerSec: 23_700.4,
    msPerStep: 2,
    step: TIME,
    flopsPerToken: 5_161_728,
    gflops: 122.33,
    peakRssBytes: null,
  });
  assert.equal(
    text,
    "model        gpt2 L4 H4 C128 T64 B12 V65, 804k parameters\n" +
      "tokens/s     23,700\n" +
      "ms/step      2.0 (median of 9; half lie within 1.5 to 2.5, 50.0 %)\n" +
      "GFLOP/s      122.3 at 5.2 MFLOP per token\n" +
      "peak memory  n/a",
  );
});
