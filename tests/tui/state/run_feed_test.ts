import assert from "node:assert/strict";
import {
  addMetrics,
  emptyRecord,
  RunFeed,
} from "../../../src/tui/state/run_feed.ts";
import { eventually } from "../../run/_eventually.ts";
import { FakeRun, stepMetric } from "../../run/_fake_run.ts";
import { inTempDir } from "../../run/_helpers.ts";

Deno.test("addMetrics() gives each curve the values that are known", () => {
  const { curves } = emptyRecord("owl-1");
  const step = stepMetric(10);
  addMetrics(curves, [
    { ...step, telemetry: { ...step.telemetry, gpuUtilPct: 93, powerW: 0 } },
    { ...stepMetric(20), trainLoss: null },
    {
      kind: "eval",
      step: 20,
      epoch: 0.2,
      tokens: 320,
      elapsedMs: 20,
      valLoss: 2.5,
      valBpb: 1,
      best: true,
      dtMs: 1,
    },
  ]);
  assert.deepEqual(curves.trainLoss, [[10, 3]]);
  assert.deepEqual(curves.gradNorm, [[10, 1], [20, 1]]);
  assert.deepEqual(curves.valLoss, [[20, 2.5]]);
  assert.deepEqual(curves.gpuUtilPct, [[10, 93]]);
  assert.deepEqual(curves.powerW, [[10, 0]]);
  assert.deepEqual(curves.vramUsedBytes, []);
});

Deno.test("RunFeed follows a run that is resumed after it has ended", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await run.append("metrics", JSON.stringify(stepMetric(10)) + "\n");
    await run.append("log", "one \x1b[31mred\n");
    await run.end("stopped");
    let changes = 0;
    using feed = new RunFeed(root, "owl-1", () => changes++);
    await eventually(() => feed.record.loaded);
    assert.equal(feed.record.state?.status, "stopped");
    assert.deepEqual(feed.record.log, ["one �[31mred"]);
    assert.equal(feed.record.curves.trainLoss.length, 1);

    await using again = new FakeRun(root);
    await again.begin();
    await again.append("metrics", JSON.stringify(stepMetric(20)) + "\n");
    await again.set({ status: "running", step: 20 });
    await eventually(() => feed.record.curves.trainLoss.length === 2);
    assert.equal(feed.record.state?.status, "running");
    assert.ok(changes > 3);
  });
});
