import assert from "node:assert/strict";
import { lrPoints } from "../../src/train/lr_points.ts";
import { moveEnd } from "../../src/train/move_end.ts";
import { learningRate, type LrSchedule } from "../../src/train/schedule.ts";

const BASE: Omit<LrSchedule, "schedule"> = {
  lr: 1,
  minLr: 0.1,
  warmupSteps: 4,
  totalSteps: 24,
  decayFraction: 0.5,
};

/** The steps, counted from 1. */
function stepsOf(fromStep: number, schedule: LrSchedule): number[] {
  const points = lrPoints(fromStep, schedule);
  for (const { step, lr } of points) {
    assert.equal(lr, learningRate(step - 1, schedule));
  }
  return points.map(({ step }) => step);
}

Deno.test("lrPoints() shows the first step, the turns and the last step", () => {
  assert.deepEqual(stepsOf(0, { ...BASE, schedule: "cosine" }), [1, 5, 15, 24]);
  assert.deepEqual(stepsOf(0, { ...BASE, schedule: "wsd" }), [
    ...[1, 5, 13, 19, 24],
  ]);
  assert.deepEqual(stepsOf(0, { ...BASE, schedule: "constant" }), [1, 5, 24]);
});

Deno.test("lrPoints() leaves out what is past", () => {
  assert.deepEqual(stepsOf(9, { ...BASE, schedule: "linear" }), [10, 17, 24]);
  assert.deepEqual(stepsOf(23, { ...BASE, schedule: "linear" }), [24]);
  assert.deepEqual(stepsOf(24, { ...BASE, schedule: "linear" }), []);
});

Deno.test("lrPoints() shows both ends of a rate that stays the same", () => {
  const before = { ...BASE, schedule: "cosine" as const };
  const after = { ...before, totalSteps: 40 };
  for (const policy of ["continue", "constant"] as const) {
    const curve = moveEnd(24, { before, after, policy });
    assert.deepEqual(stepsOf(24, { ...after, curve }), [25, 40]);
  }
});
