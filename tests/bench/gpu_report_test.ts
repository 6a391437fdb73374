import assert from "node:assert/strict";
import { join } from "node:path";
import { apisOf } from "../../bench/gpu/apis.ts";
import { readOptions, USAGE } from "../../bench/gpu/options.ts";
import { listParts, type Outcome, type Part } from "../../bench/gpu/parts.ts";
import { formatReport } from "../../bench/gpu/report.ts";
import { runParts } from "../../bench/gpu/run_parts.ts";
import type { GpuApi } from "../../src/backend/devices/gpu_cards.ts";
import type { FoundAdapter } from "../../src/backend/webgpu/device/adapters.ts";
import { noAdapter, testAdapter } from "../backend/webgpu/_webgpu.ts";

const peaks = (name: string, limitSec = 45): Part => ({
  ...{ kind: "peaks", name, limitSec },
  ...{ api: "webgpu", precision: "fp32" },
});

Deno.test("runParts() goes on behind a part that fails, until time is over", async () => {
  let nowMs = 0;
  const told: string[][] = [];
  const given: number[] = [];
  const outcomes = await runParts(
    [peaks("first", 20), peaks("second"), peaks("third"), peaks("fourth")],
    {
      measure(part, limitSec) {
        given.push(limitSec);
        nowMs += 20_000;
        if (part.name === "first") throw new Error("the device is lost");
        return Promise.resolve({ peaks: part.name });
      },
      onOutcome(so) {
        told.push(so.map(({ kind }) => kind));
        return Promise.resolve();
      },
      limitSec: 62,
      now: () => nowMs,
    },
  );
  assert.deepEqual(given, [20, 42, 22]); // no more than what is left
  assert.deepEqual(outcomes, [
    {
      ...{ name: "first", kind: "failed", reason: "the device is lost" },
      tookSec: 20,
    },
    {
      ...{ name: "second", kind: "peaks", model: undefined },
      precision: "fp32",
      found: { peaks: "second" },
      tookSec: 20,
    },
    {
      ...{ name: "third", kind: "peaks", model: undefined },
      precision: "fp32",
      found: { peaks: "third" },
      tookSec: 20,
    },
    {
      ...{ name: "fourth", kind: "left out", reason: "62 s are over" },
      tookSec: 0,
    },
  ]);
  assert.deepEqual(told.map((kinds) => kinds.length), [1, 2, 3, 4]);
});

const MODELS = ["a", "b", "c"];

Deno.test("listParts() begins with what is most worth knowing", () => {
  const names = listParts({
    ...{ models: MODELS, apis: ["vulkan", "webgpu"], withPyTorch: true },
  }).map(({ name }) => name);
  assert.deepEqual(names, [
    ...["peaks fp32, Vulkan", "peaks bf16, Vulkan"],
    "a fp32, Vulkan, as it starts",
    "a fp32, Vulkan, tuning",
    "a fp32, Vulkan",
    "a bf16, Vulkan, tuning",
    ...["a bf16, Vulkan", "a fp16, Vulkan", "a fp32, WebGPU"],
    ...["a fp32, PyTorch eager", "a bf16, PyTorch eager"],
    ...["b fp32, Vulkan", "b bf16, Vulkan", "b fp16, Vulkan"],
    "b fp32, WebGPU",
    ...["b fp32, PyTorch eager", "b bf16, PyTorch eager"],
    ...["a bf16, WebGPU", "a fp16, WebGPU"],
    ...["b bf16, WebGPU", "b fp16, WebGPU"],
    "c fp32, Vulkan",
    "a fp32, Vulkan, one by one",
    "a fp32, Vulkan, every op by itself",
    "b fp32, Vulkan, every op by itself",
    ...["a fp32, PyTorch compiled", "a bf16, PyTorch compiled"],
    ...["b fp32, PyTorch compiled", "b bf16, PyTorch compiled"],
  ]);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("listParts() asks one API where there is one", () => {
  const names = listParts({
    ...{ models: MODELS, apis: ["webgpu"], withPyTorch: false },
  }).map(({ name }) => name);
  assert.deepEqual(names, [
    "peaks fp32, WebGPU",
    "a fp32, WebGPU, as it starts",
    "a fp32, WebGPU, tuning",
    ...["a fp32, WebGPU", "a bf16, WebGPU", "a fp16, WebGPU"],
    ...["b fp32, WebGPU", "b bf16, WebGPU", "b fp16, WebGPU"],
    "c fp32, WebGPU",
    "a fp32, WebGPU, one by one",
    "a fp32, WebGPU, every op by itself",
    "b fp32, WebGPU, every op by itself",
  ]);
});

Deno.test("formatReport() sets steps beside PyTorch's of the same kind", () => {
  const step = (
    name: string,
    precision: "fp32" | "bf16" | "fp16",
    tokensPerSec: number,
  ): Outcome => ({
    ...{ kind: "step", name, model: "a", precision, tookSec: 1 },
    found: {
      ...{ model: "a", precision, fuse: true, tokensPerSec },
      overlap: true,
      ...{ msPerStep: 32, spreadPct: 1, readySec: 2, dispatches: 0 },
      ...{ memoryBytes: 0, idealMs: 30, ops: [], kernels: [] },
    },
  });
  const pytorch = (
    name: string,
    precision: "fp32" | "bf16",
    tokensPerSec: number,
    compile = false,
  ): Outcome => ({
    ...{ kind: "pytorch", name, model: "a", precision, tookSec: 1 },
    found: { torch: "2", compile, tokensPerSec, step: { medianMs: 33 } },
  });
  const report = formatReport([
    step("a fp32", "fp32", 550_000),
    step("a fp16", "fp16", 900_000),
    pytorch("a, PyTorch", "fp32", 500_000),
    pytorch("a bf16, PyTorch", "bf16", 1_000_000),
    pytorch("a bf16, compiled", "bf16", 1_500_000, true),
    { kind: "failed", name: "b fp16", reason: "no shader-f16", tookSec: 1 },
  ]);
  assert.equal(
    report.split("```")[1],
    `text
step               tokens/s     ms  at least  of PyTorch
a fp32              550,000  32.00     30.00       1.100
a fp16              900,000  32.00     30.00       0.900
a, PyTorch          500,000  33.00                 1.000
a bf16, PyTorch   1,000,000  33.00                 1.000
a bf16, compiled  1,500,000  33.00                 1.500
`,
  );
  assert.match(report, /## b fp16\n\n```text\nfailed: no shader-f16\n/);
});

Deno.test({
  name: "bench:gpu writes what it has when every part fails",
  ignore: noAdapter,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const { id, vulkan } = testAdapter.info;
      const { code } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "bench/gpu_report.ts", "--small", "--out", folder],
          ...["--api", vulkan ? "vulkan" : "webgpu", "--adapter", id],
          ...["--model", "char-cpu", "--only", "PyTorch"],
        ],
        env: { HEARTH_PYTHON: join(folder, "no-python") },
        ...{ stdout: "null", stderr: "null" },
      }).output();
      assert.equal(code, 1);
      const { outcomes } = JSON.parse(
        await Deno.readTextFile(join(folder, "results.json")),
      );
      assert.ok(outcomes.length > 2);
      for (const { kind, reason } of outcomes) {
        assert.equal(kind, "failed");
        assert.match(reason, /no-python/);
      }
      const report = await Deno.readTextFile(join(folder, "report.md"));
      assert.match(report, /failed: .*no-python/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("apisOf() takes no API that shows software alone", async () => {
  const one = (id: string, isSoftware: boolean) =>
    ({ info: { id, isSoftware } }) as FoundAdapter;
  const card = one("gpu:0", false), software = one("software", true);
  const vulkanSoftware = one("vulkan:software", true);
  const of = (
    options: Parameters<typeof apisOf>[0],
    shown: Record<GpuApi, FoundAdapter[]>,
  ) => apisOf(options, (api) => Promise.resolve(shown[api]));
  // As with a card whose driver is below Vulkan 1.3.
  const old = { vulkan: [vulkanSoftware], webgpu: [card, software] };
  assert.deepEqual(await of({}, old), ["webgpu"]);
  assert.deepEqual(
    await of({ apis: ["vulkan"], adapter: "software" }, old),
    [
      "vulkan",
    ],
  );
  assert.deepEqual(await of({ adapter: "software" }, old), [
    "vulkan",
    "webgpu",
  ]);
  assert.deepEqual(await of({}, { vulkan: [card], webgpu: [card] }), [
    "vulkan",
    "webgpu",
  ]);
  const none = { vulkan: [], webgpu: [software] };
  assert.deepEqual(await of({ adapter: "software" }, none), ["webgpu"]);
  await assert.rejects(of({}, none), {
    name: "UserError",
    message: "Cannot measure a GPU: this machine shows none",
  });
});

Deno.test("apisOf() says at once which adapter is not there", async () => {
  const one = (id: string, name: string) =>
    ({
      info: { id, name, isSoftware: id.endsWith("software") },
    }) as FoundAdapter;
  const shown: Record<GpuApi, FoundAdapter[]> = {
    vulkan: [one("vulkan:0", "Card A"), one("vulkan:1", "Card B")],
    webgpu: [one("webgpu:0", "Card A"), one("software", "llvmpipe")],
  };
  const of = (options: Parameters<typeof apisOf>[0], all = shown) =>
    apisOf(options, (api) => Promise.resolve(all[api]));
  const vulkan = "vulkan:0 (Card A), vulkan:1 (Card B) through Vulkan";
  const webgpu = "webgpu:0 (Card A), software (llvmpipe) through WebGPU";
  await assert.rejects(of({ adapter: "gpu:99" }), {
    message: 'Cannot measure: there is no "gpu:99" through Vulkan or WebGPU',
    hint: `there is ${vulkan}, and ${webgpu}`,
    exitCode: 2,
  });
  await assert.rejects(of({ adapter: "gpu:1", apis: ["webgpu"] }), {
    message: 'Cannot measure: there is no "gpu:1" through WebGPU',
    hint: `there is ${webgpu}`,
  });
  // Of two that are asked for, one has it.
  const both: GpuApi[] = ["webgpu", "vulkan"];
  await assert.rejects(of({ adapter: "gpu:1", apis: both }), {
    message: 'Cannot measure: there is no "gpu:1" through WebGPU',
    hint: `there is ${webgpu}, and ${vulkan}`,
  });
  await assert.rejects(of({ apis: both }, { ...shown, vulkan: [] }), {
    message: "Cannot measure: there is no adapter through Vulkan",
    hint: `there is ${webgpu}, and nothing through Vulkan`,
  });
  assert.deepEqual(await of({ adapter: "gpu:0", apis: both }), both);
  assert.deepEqual(await of({ adapter: "gpu:1" }), ["vulkan"]);
  assert.deepEqual(await of({ adapter: "software" }), ["webgpu"]);
});

Deno.test("readOptions() takes what is asked for, and says what it cannot", () => {
  assert.deepEqual(readOptions([]), {
    ...{ help: false, count: false, small: false },
    ...{ out: undefined, adapter: undefined, only: undefined },
    ...{ limitSec: 290, seconds: 1.5, apis: undefined },
    models: ["shakespeare-char", "gpt2-small", "short-heads"],
  });
  const args = ["--small", "--api", "webgpu", "--api", "vulkan"];
  const small = readOptions([...args, "--only", "bf16", "--limit", "60"]);
  assert.deepEqual([small.seconds, small.limitSec], [0.1, 60]);
  assert.deepEqual(small.models, ["char-cpu"]);
  assert.deepEqual(small.only, ["bf16"]);
  assert.equal(small.apis?.length, 2);
  for (
    const [args, message] of [
      [["--nope"], "Unknown option '--nope'"],
      [["--only"], "Option '--only <value>' argument missing"],
      [["more"], "Unexpected argument 'more'"],
      [["--limit", "0"], '--limit is "0": expected a number above 0'],
      [
        ["--api", "cuda"],
        '--api is "cuda": expected vulkan or webgpu',
      ],
    ] as const
  ) assert.throws(() => readOptions(args), { name: "UserError", message });
  // What is told of each is what is taken.
  const told = [...USAGE.matchAll(/^ {2}(?:-h, )?--([a-z]+)/gm)]
    .map(([, name]) => name);
  assert.equal(told.length, 10);
  for (const name of told) {
    const value = ["help", "count", "small"].includes(name)
      ? []
      : [name === "api" ? "vulkan" : "1"];
    readOptions([`--${name}`, ...value]);
  }
});
