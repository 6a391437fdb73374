import assert from "node:assert/strict";
import { CurveStore, MOST_POINTS } from "../../../src/tui/state/curves.ts";
import { stepMetric } from "../../run/_fake_run.ts";

Deno.test("CurveStore gives each curve the values that are known", () => {
  const store = new CurveStore();
  const { curves } = store;
  const step = stepMetric(10);
  store.add([
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

Deno.test("CurveStore keeps a long curve in few points of equal weight", () => {
  const store = new CurveStore();
  const count = 4 * MOST_POINTS + 3;
  for (let step = 0; step < count; step++) {
    store.add([{ ...stepMetric(step), trainLoss: step }]);
  }
  const { trainLoss, valLoss } = store.curves;
  // Halved three times: at 1, 2 and 4 times the most; 8 rows to a point.
  assert.equal(trainLoss.length, MOST_POINTS / 2);
  trainLoss.forEach((point, i) => {
    assert.deepEqual(point, [8 * i + 7, 8 * i + 3.5]);
  });
  assert.deepEqual(valLoss, []);
});
