import assert from "node:assert/strict";
import { compareRuns } from "../../../src/run/watch/comparison.ts";
import {
  initialMeta,
  type RunMeta,
  saveMeta,
} from "../../../src/run/files/meta.ts";
import { metricLine } from "../../../src/run/files/metrics.ts";
import type { EvalMetric } from "../../../src/run/files/metrics.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { FakeRun, stepMetric } from "../_fake_run.ts";
import { inTempDir } from "../_helpers.ts";

const evalMetric = (step: number, valLoss: number): EvalMetric => ({
  kind: "eval",
  step,
  epoch: 0,
  tokens: 16 * step,
  elapsedMs: step,
  valLoss,
  valBpb: valLoss / 2,
  best: false,
  dtMs: 1,
});

/** A run of twenty steps that has ended, with some of its metadata. */
async function writeRun(
  root: string,
  runId: string,
  change: Partial<RunMeta> = {},
): Promise<FakeRun> {
  const run = new FakeRun(root, runId);
  await run.begin();
  const config = tinyConfig({});
  const meta = initialMeta({ runId, config, commandLine: [] });
  await saveMeta(run.paths.meta, {
    ...meta,
    dataset: { fingerprint: "a".repeat(64) },
    tokenizer: { type: "byte", vocabSize: 257, fingerprint: "b" },
    parameterCount: 1000,
    ...change,
  });
  const metrics = [
    evalMetric(0, 6),
    { ...stepMetric(10), tokensPerSec: 30 },
    evalMetric(10, 5),
    { ...stepMetric(15), tokensPerSec: 10 },
    { ...stepMetric(20), tokensPerSec: 20 },
    evalMetric(20, 4),
  ];
  await run.append("metrics", metrics.map(metricLine).join(""));
  await run.set({
    device: "cpu: CPU",
    step: 20,
    totalSteps: 20,
    tokens: 320,
    trainLoss: 3.5,
    valLoss: 4,
    bestValLoss: 4,
    elapsedMs: 60_000,
  });
  await run.end("completed");
  return run;
}

Deno.test("compareRuns() sums up runs and finds the settings that differ", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1");
    const config = tinyConfig({ train: { lr: 0.25, minLr: 0.125 } });
    await writeRun(root, "fox-1", { config });
    const { runs, settings, measure, table, curves, notes } = await compareRuns(
      root,
      ["owl-1", "fox-1"],
    );
    assert.deepEqual(runs[1], {
      runId: "fox-1",
      status: "completed",
      device: "cpu: CPU",
      parameterCount: 1000,
      step: 20,
      totalSteps: 20,
      tokens: 320,
      trainLoss: 3.5,
      valLoss: 4,
      bestValLoss: 4,
      valBpb: 2,
      elapsedMs: 60_000,
      tokensPerSec: 20, // between 10 and 30
    });
    const { train } = tinyConfig({});
    assert.deepEqual(settings, [
      { path: "train.lr", values: [train.lr, 0.25] },
      { path: "train.minLr", values: [train.minLr, 0.125] },
    ]);
    assert.deepEqual(table.rows.map(({ at }) => at), [0, 10, 20]);
    assert.deepEqual([measure, curves.length, notes], ["valLoss", 2, []]);
  }));

Deno.test("compareRuns() compares bits per byte across tokenizers", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1");
    await writeRun(root, "fox-1", {
      dataset: { fingerprint: "a".repeat(48) + "c".repeat(16) }, // same text
      tokenizer: { type: "char", vocabSize: 60, fingerprint: "c" },
    });
    const { measure, table, notes } = await compareRuns(root, [
      "owl-1",
      "fox-1",
    ]);
    assert.equal(measure, "valBpb");
    assert.deepEqual(table.rows[0].values, [3, 3]);
    assert.deepEqual(notes, [
      "the tokenizers differ, so losses per token do not compare; bits per " +
      "byte do",
    ]);
  }));

Deno.test("compareRuns() tells what is broken and goes on with the rest", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1", { dataset: { fingerprint: "c".repeat(64) } });
    const fox = await writeRun(root, "fox-1");
    await fox.append("metrics", "torn\n\n{");
    const elk = await writeRun(root, "elk-1");
    await Deno.remove(elk.paths.meta);
    const { settings, notes, runs } = await compareRuns(root, [
      "owl-1",
      "fox-1",
      "elk-1",
    ]);
    assert.deepEqual(settings, []); // those of elk-1 are not known
    assert.equal(runs[2].parameterCount, null);
    assert.deepEqual(notes, [
      `elk-1: Cannot read "${elk.paths.meta}": there is no such file`,
      "the texts differ, so the losses are of different texts",
      "fox-1: 1 line of metrics.jsonl cannot be read",
    ]);

    await Deno.remove(elk.paths.state);
    await assert.rejects(compareRuns(root, ["owl-1", "elk-1"]), {
      name: "UserError",
      hint: "hearth runs lists all runs",
    });
  }));
