import assert from "node:assert/strict";
import type { TrainEvent } from "../../../src/train/events.ts";
import {
  type Metric,
  metricLine,
  metricOf,
  parseMetric,
  type StepMetric,
  truncateMetrics,
} from "../../../src/run/files/metrics.ts";
import { NO_TELEMETRY } from "../../../src/run/telemetry/telemetry.ts";
import { stepMetric } from "../_fake_run.ts";
import { inTempDir } from "../_helpers.ts";
import { loadMetrics } from "../_load_metrics.ts";

const progress = {
  step: 10,
  totalSteps: 20,
  epoch: 0.5,
  epochs: 1,
  tokens: 100,
  elapsedMs: 12.345678,
  remainingMs: null,
};
const stepEvent: TrainEvent = {
  kind: "step",
  trainLoss: 1.1234567890123,
  gradNorm: 0.5,
  lr: 1e-3,
  dtMs: 1.23456,
  tokensPerSec: 1000.12345,
  skipped: false,
  log: true,
  ...progress,
};
const evalEvent: TrainEvent = {
  kind: "eval",
  valLoss: 2.5,
  valBpb: 1.25,
  bestValLoss: 2,
  best: false,
  sources: [],
  dtMs: 7,
  ...progress,
};
const metric = metricOf(stepEvent)!;
const at = (step: number): Metric => ({ ...metric, step });

Deno.test("metricOf() keeps the bits of losses and rounds times", () => {
  assert.equal(
    metricLine(metric),
    '{"kind":"step","step":10,"epoch":0.5,"tokens":100,"elapsedMs":12,' +
      '"trainLoss":1.1234567890123,"gradNorm":0.5,"lr":0.001,' +
      '"dtMs":1.235,"tokensPerSec":1000.123,"skipped":false,' +
      `"telemetry":${JSON.stringify(NO_TELEMETRY)}}\n`,
  );
  const row = {
    kind: "eval",
    step: 10,
    epoch: 0.5,
    tokens: 100,
    elapsedMs: 12,
    valLoss: 2.5,
    valBpb: 1.25,
    best: false,
    dtMs: 7,
  };
  assert.deepEqual(metricOf(evalEvent), row);
  // Of a mix each text is logged, and what is read has no more than that.
  const sources = [
    { name: "a", valLoss: 2, valBpb: 1, tokens: 9 },
    { name: "b", valLoss: 3, valBpb: 1.5, tokens: 9 },
  ];
  const mixed = metricOf({ ...evalEvent, sources })!;
  assert.deepEqual(mixed, { ...row, sources });
  assert.deepEqual(parseMetric(metricLine(mixed)), { ...row, sources });
});

Deno.test("metricOf() is null for what is not logged", () => {
  assert.equal(metricOf({ ...stepEvent, log: false }), null);
  assert.equal(metricOf({ kind: "start", ...progress }), null);
});

Deno.test("metricLine() writes a loss that is not finite as null", () => {
  const line = metricLine({ ...metric, trainLoss: NaN } as Metric);
  assert.equal(JSON.parse(line).trainLoss, null);
});

Deno.test("parseMetric() reads what metricLine() writes", () => {
  const used = { ...NO_TELEMETRY, cpuPct: 187 };
  const row = metricOf(stepEvent, used)!;
  assert.deepEqual(parseMetric(metricLine(row).trimEnd()), row);
});

Deno.test("parseMetric() knows rows of older versions", () => {
  const { telemetry: _, ...old } = metric as StepMetric;
  assert.deepEqual(parseMetric(JSON.stringify(old)), metric);
});

for (
  const line of [
    "",
    "null",
    "7",
    '{"kind":"step","step":1',
    '{"kind":"toString","step":1}',
    JSON.stringify({ ...metric, tokens: "many" }),
    JSON.stringify({ ...metric, trainLoss: undefined }),
    "\0\0\0\0",
  ]
) {
  Deno.test(`parseMetric() turns down ${JSON.stringify(line).slice(0, 40)}`, () => {
    assert.equal(parseMetric(line), null);
  });
}

Deno.test("truncateMetrics() keeps what came up to a step", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    const all = [10, 20, 20, 30].map(at);
    await Deno.writeTextFile(path, all.map(metricLine).join(""));
    await truncateMetrics(path, 20);
    assert.deepEqual(await loadMetrics(path), all.slice(0, 3));
    await truncateMetrics(path, -1);
    assert.equal(await Deno.readTextFile(path), "");
  }));

Deno.test("truncateMetrics() drops a line that was torn", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    const [first, second] = [10, 20].map(at).map(metricLine);
    // One torn by a full disk that had room again, one by a crash.
    const torn = `${first}{"kind":"st\n${second}{"kind":"step","step":2`;
    await Deno.writeTextFile(path, torn);
    assert.deepEqual(await loadMetrics(path), [at(10), at(20)]);
    await truncateMetrics(path, 20);
    assert.equal(await Deno.readTextFile(path), first + second);
  }));

Deno.test("truncateMetrics() keeps a row that lacks no more than its newline", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    const rows = [10, 20].map(at).map(metricLine).join("");
    await Deno.writeTextFile(path, rows.trimEnd());
    await truncateMetrics(path, 20);
    assert.equal(await Deno.readTextFile(path), rows);
  }));

Deno.test("truncateMetrics() needs no memory for a long run", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    const rows = 60_000;
    const lines = Array.from({ length: rows }, (_, i) => metricLine(at(i + 1)));
    await Deno.writeTextFile(path, lines.join("")); // 19 MB
    const module = import.meta.resolve("../../../src/run/files/metrics.ts");
    const code = `import { truncateMetrics } from ${JSON.stringify(module)};
      await truncateMetrics(${JSON.stringify(path)}, ${rows - 1});`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--v8-flags=--max-old-space-size=32", code],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr).slice(0, 300));
    const kept = await Deno.readTextFile(path);
    assert.equal(kept, lines.slice(0, -1).join(""));
  }));

Deno.test("truncateMetrics() makes the file where there is none", () =>
  inTempDir(async (dir) => {
    await truncateMetrics(`${dir}/metrics.jsonl`, 20);
    assert.deepEqual(await loadMetrics(`${dir}/metrics.jsonl`), []);
  }));

Deno.test("parseMetric() turns down a kind that only looks like one", () => {
  const row = JSON.parse(metricLine(stepMetric(1)));
  assert.equal(parseMetric(JSON.stringify(row))?.kind, "step");
  for (const kind of [["step"], ["eval"], "__proto__", null]) {
    assert.equal(parseMetric(JSON.stringify({ ...row, kind })), null);
  }
});
