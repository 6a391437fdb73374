import assert from "node:assert/strict";
import {
  type Cadence,
  checkpointDue,
  evaluationDue,
  remainingWork,
  stepsUntilDue,
} from "../../src/train/cadence.ts";
import { initialState } from "../../src/train/trainer_state.ts";

const EVERY_4_AND_6: Cadence = {
  evalEvery: 4,
  checkpointEvery: 6,
  saveBest: false,
};
const ONLY_AT_END: Cadence = {
  evalEvery: 0,
  checkpointEvery: 0,
  saveBest: false,
};

function at(step: number, more: { evalStep?: number; saveStep?: number } = {}) {
  const start = initialState({ totalSteps: 14, kernels: "" });
  return { ...start, step, ...more };
}

function stepsWith(due: typeof evaluationDue, cadence: Cadence): number[] {
  return Array.from({ length: 15 }, (_, step) => step)
    .filter((step) => due(at(step), cadence));
}

Deno.test("evaluationDue() is true at the start, every evalEvery, and at the end", () => {
  assert.deepEqual(stepsWith(evaluationDue, EVERY_4_AND_6), [0, 4, 8, 12, 14]);
});

Deno.test("checkpointDue() is true every checkpointEvery and at the end", () => {
  assert.deepEqual(stepsWith(checkpointDue, EVERY_4_AND_6), [6, 12, 14]);
});

Deno.test("stepsUntilDue() ends with the next evaluation, checkpoint or the run", () => {
  const steps = [0, 3, 4, 5, 8, 12, 13, 14].map((step) =>
    stepsUntilDue(at(step), EVERY_4_AND_6)
  );
  assert.deepEqual(steps, [4, 1, 2, 1, 4, 2, 1, 0]);
  assert.equal(stepsUntilDue(at(3), ONLY_AT_END), 11);
});

Deno.test("both are true only at the end when every is 0", () => {
  assert.deepEqual(stepsWith(evaluationDue, ONLY_AT_END), [14]);
  assert.deepEqual(stepsWith(checkpointDue, ONLY_AT_END), [14]);
});

Deno.test("both are false when done at this step, and true again later", () => {
  assert.ok(!evaluationDue(at(4, { evalStep: 4 }), EVERY_4_AND_6));
  assert.ok(evaluationDue(at(8, { evalStep: 4 }), EVERY_4_AND_6));
  assert.ok(!checkpointDue(at(14, { saveStep: 14 }), EVERY_4_AND_6));
  assert.ok(checkpointDue(at(14, { saveStep: 12 }), EVERY_4_AND_6));
});

Deno.test("remainingWork() equals a walk over the steps that remain", () => {
  for (const evalEvery of [0, 1, 2, 3, 4, 5, 14, 20]) {
    for (const checkpointEvery of [0, 1, 2, 3, 6, 14, 20]) {
      for (const saveBest of [false, true]) {
        const cadence = { evalEvery, checkpointEvery, saveBest };
        for (let step = 0; step <= 14; step++) {
          const { steps, evaluations, checkpoints } = remainingWork(
            at(step),
            cadence,
          );
          // Each later step is reached with nothing done there yet.
          let evals = 0, saves = 0;
          for (let later = step; later <= 14; later++) {
            const evaluates = evaluationDue(at(later), cadence);
            const saved = checkpointDue(at(later), cadence);
            if (evaluates) evals++;
            if (saved || saveBest && evaluates && later > 0) saves++;
          }
          const expected = [14 - step, evals, saves];
          assert.deepEqual(
            [steps, evaluations, checkpoints],
            expected,
            JSON.stringify({ ...cadence, step }),
          );
        }
      }
    }
  }
});

Deno.test("remainingWork() leaves out what is done at this step", () => {
  const done = { evalStep: 12, saveStep: 12 };
  assert.deepEqual(remainingWork(at(12, done), EVERY_4_AND_6), {
    steps: 2,
    evaluations: 1,
    checkpoints: 1,
  });
  assert.deepEqual(
    remainingWork(at(14, { evalStep: 14, saveStep: 14 }), EVERY_4_AND_6),
    { steps: 0, evaluations: 0, checkpoints: 0 },
  );
});

Deno.test("remainingWork() counts the checkpoint of a new best until it is tried", () => {
  const cadence = { evalEvery: 4, checkpointEvery: 0, saveBest: true };
  const best = { ...at(12, { evalStep: 12 }), bestStep: 12 };
  assert.equal(remainingWork(best, cadence).checkpoints, 2);
  const saved = { ...best, saveStep: 12 };
  assert.equal(remainingWork(saved, cadence).checkpoints, 1);
});

Deno.test("remainingWork() expects fewer best checkpoints the longer none came", () => {
  const cadence = { evalEvery: 4, checkpointEvery: 0, saveBest: true };
  const state = { ...at(1), evalsSinceBest: 2 };
  // Evaluations at 4, 8 and 12 with a chance of 1/3 each, and the last save.
  assert.equal(remainingWork(state, cadence).checkpoints, 2);
});
