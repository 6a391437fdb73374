import assert from "node:assert/strict";
import { join } from "node:path";
import { listParts, type Outcome, type Part } from "../../bench/gpu/parts.ts";
import { formatReport } from "../../bench/gpu/report.ts";
import { runParts } from "../../bench/gpu/run_parts.ts";

const peaks = (name: string, limitSec = 45): Part => ({
  ...{ kind: "peaks", name, limitSec },
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
      found: { peaks: "second" },
      tookSec: 20,
    },
    {
      ...{ name: "third", kind: "peaks", model: undefined },
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

Deno.test("listParts() begins with what is most worth knowing", () => {
  const models = ["a", "b", "c"];
  const names = listParts({ models, withPyTorch: true })
    .map(({ name }) => name);
  assert.deepEqual(names, [
    "peaks",
    "a fp32, as it starts",
    "a, tuning",
    ...["a fp32", "b fp32", "c fp32"],
    "a fp32, PyTorch eager",
    "a fp32, one by one",
    "a fp32, every op by itself",
    ...["a bf16", "a fp16", "b bf16", "b fp16"],
    "b fp32, every op by itself",
  ]);
});

Deno.test("formatReport() sets steps beside PyTorch's", () => {
  const step = (name: string, tokensPerSec: number): Outcome => ({
    ...{ kind: "step", name, model: "a", tookSec: 1 },
    found: {
      ...{ model: "a", precision: "fp32", fuse: true, tokensPerSec },
      overlap: true,
      ...{ msPerStep: 32, spreadPct: 1, readySec: 2, dispatches: 0 },
      ...{ memoryBytes: 0, idealMs: 30, ops: [] },
    },
  });
  const report = formatReport([
    step("a fp32", 550_000),
    {
      ...{ kind: "pytorch", name: "a, PyTorch", model: "a", tookSec: 1 },
      found: { torch: "2", tokensPerSec: 500_000, step: { medianMs: 33 } },
    },
    { kind: "failed", name: "a fp16", reason: "no shader-f16", tookSec: 1 },
  ]);
  assert.equal(
    report.split("```")[1],
    `text
step        tokens/s     ms  at least  of PyTorch
a fp32       550,000  32.00     30.00       1.100
a, PyTorch   500,000  33.00                 1.000
`,
  );
  assert.match(report, /## a fp16\n\n```text\nfailed: no shader-f16\n/);
});

Deno.test("bench:gpu writes what it has when every part fails", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "bench/gpu_report.ts", "--small", "--out", folder],
        ...["--adapter", "gpu:99", "--model", "char-cpu"],
      ],
      env: { HEARTH_PYTHON: "" },
      ...{ stdout: "null", stderr: "null" },
    }).output();
    assert.equal(code, 1);
    const { outcomes } = JSON.parse(
      await Deno.readTextFile(join(folder, "results.json")),
    );
    assert.ok(outcomes.length > 4);
    for (const { kind, reason } of outcomes) {
      assert.equal(kind, "failed");
      assert.match(reason, /^There is no such WebGPU adapter/);
    }
    const report = await Deno.readTextFile(join(folder, "report.md"));
    assert.match(report, /failed: There is no such WebGPU adapter/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
