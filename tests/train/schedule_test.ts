import assert from "node:assert/strict";
import {
  learningRate,
  type LrSchedule,
  settleWarmup,
} from "../../src/train/schedule.ts";
import { tinyConfig } from "./_helpers.ts";

/** Warm-up to 1 over 4 steps, then down to 0.1 at step 24. */
const BASE: Omit<LrSchedule, "schedule"> = {
  lr: 1,
  minLr: 0.1,
  warmupSteps: 4,
  totalSteps: 24,
  decayFraction: 0.5,
};

// Computed by hand from the formulas; steps count from 0.
const CASES: [LrSchedule["schedule"], [step: number, lr: number][]][] = [
  ["cosine", [
    [0, 0.2], // 1 / 5
    [3, 0.8], // 4 / 5
    [4, 1], // cos(0)
    [9, 0.8681980515339464], // 0.1 + 0.5 * (1 + cos(pi/4)) * 0.9
    [14, 0.55], // cos(pi/2)
    [24, 0.1],
    [99, 0.1],
  ]],
  ["linear", [
    [0, 0.2],
    [4, 1],
    [9, 0.775], // 1 - 0.9 * 5/20
    [14, 0.55],
    [24, 0.1],
    [99, 0.1],
  ]],
  ["constant", [[0, 0.2], [3, 0.8], [4, 1], [24, 1], [99, 1]]],
  ["wsd", [
    [3, 0.8],
    [4, 1],
    [12, 1], // the decay takes the last 12 of 24 steps
    [15, 0.775], // 1 - 0.9 * 3/12
    [18, 0.55],
    [24, 0.1],
    [99, 0.1],
  ]],
];

for (const [schedule, points] of CASES) {
  Deno.test(`learningRate() gives hand-computed values when ${schedule}`, () => {
    for (const [step, expected] of points) {
      const lr = learningRate(step, { ...BASE, schedule });
      assert.ok(
        Math.abs(lr - expected) < 1e-12,
        `step ${step}: ${lr}, expected ${expected}`,
      );
    }
  });
}

Deno.test("learningRate() starts at the peak when there is no warm-up", () => {
  for (const schedule of ["cosine", "linear", "constant", "wsd"] as const) {
    assert.equal(learningRate(0, { ...BASE, warmupSteps: 0, schedule }), 1);
  }
});

Deno.test("learningRate() only warms up when the run is shorter", () => {
  const short = { ...BASE, warmupSteps: 9, totalSteps: 3 };
  for (const schedule of ["cosine", "linear", "constant", "wsd"] as const) {
    assert.equal(learningRate(2, { ...short, schedule }), 0.3);
  }
});

Deno.test("learningRate() starts the wsd decay no earlier than the warm-up ends", () => {
  const schedule = { ...BASE, schedule: "wsd", decayFraction: 1 } as const;
  assert.equal(learningRate(4, schedule), 1);
  assert.equal(learningRate(14, schedule), 1 - 0.9 * 0.5);
});

Deno.test("settleWarmup() takes at most its part of a new run", () => {
  const settled = (
    warmupSteps: number,
    warmupFraction: number | undefined,
    totalSteps: number,
  ) => {
    const { train } = tinyConfig({ train: { warmupSteps, warmupFraction } });
    const after = settleWarmup(train, totalSteps);
    assert.equal(after.warmupFraction, undefined); // it is settled
    assert.equal(after.lr, train.lr);
    return after.warmupSteps;
  };
  assert.equal(settled(100, 0.1, 1000), 100);
  assert.equal(settled(100, 0.1, 999), 99);
  assert.equal(settled(100, 0.1, 5), 1); // at least one
  assert.equal(settled(0, 0.1, 5), 0); // unless there is to be none
  assert.equal(settled(100, 0.1, 1), 0); // nor all there are
  assert.equal(settled(100, 0.1, 0), 0);
  assert.equal(settled(100, 1, 5), 4);
  assert.equal(settled(100, undefined, 5), 100); // as it was asked for
});
