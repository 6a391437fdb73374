import assert from "node:assert/strict";
import {
  checkTrainerState,
  initialState,
  type TrainerState,
} from "../../src/train/trainer_state.ts";

const fresh: TrainerState = {
  version: 1,
  step: 0,
  microStep: 0,
  cursor: 0,
  batchSize: 8,
  gradAccumSteps: 2,
  totalSteps: 12,
  lrCurve: null,
  tokens: 0,
  elapsedMs: 0,
  evalStep: null,
  saveStep: null,
  bestValLoss: null,
  bestStep: null,
  evalsSinceBest: 0,
  skippedInRow: 0,
  skippedTotal: 0,
  evalBatchCost: null,
  checkpointMs: null,
  kernels: "k",
  kernelChoices: null,
};

Deno.test("initialState() has done nothing", () => {
  const settings = { batchSize: 8, gradAccumSteps: 2 };
  const plan = { totalSteps: 12, kernels: "k" };
  assert.deepEqual(initialState({ ...plan, ...settings }), fresh);
  assert.deepEqual(initialState(plan), {
    ...fresh,
    batchSize: 1,
    gradAccumSteps: 1,
  });
});

const curve = {
  policy: "rewarm",
  warmup: { from: 4, fromLr: 1e-4, steps: 2 },
  decay: { from: 6, done: 0.25 },
  hold: null,
};

Deno.test("checkTrainerState() leaves a state as it is, with what it knows not", () => {
  for (
    const state of [
      fresh,
      { ...fresh, lrCurve: curve, kernelChoices: { gemm: "a" }, more: [1] },
      { ...fresh, evalBatchCost: 0, checkpointMs: 0 }, // by a coarse clock
      { version: 1, step: 3, totalSteps: 0 }, // of an older version
    ]
  ) assert.equal(checkTrainerState(state), state);
});

Deno.test("checkTrainerState() names the field that cannot be", () => {
  const wrong: Record<string, object> = {
    version: { version: 2 },
    step: { step: -1 },
    microStep: { microStep: 0.5 },
    cursor: { cursor: "0" },
    batchSize: { batchSize: 0 },
    gradAccumSteps: { gradAccumSteps: 0 },
    totalSteps: { totalSteps: undefined },
    "lrCurve.policy": { lrCurve: { ...curve, policy: "none" } },
    "lrCurve.warmup.steps": {
      lrCurve: { ...curve, warmup: { from: 4, fromLr: 1e-4 } },
    },
    "lrCurve.decay.done": {
      lrCurve: { ...curve, decay: { from: 6, done: 1.1 } },
    },
    "lrCurve.hold": { lrCurve: { ...curve, hold: undefined } },
    tokens: { tokens: null },
    elapsedMs: { elapsedMs: -1 },
    evalStep: { evalStep: -1 },
    saveStep: { saveStep: "3" },
    bestValLoss: { bestValLoss: "NaN" },
    bestStep: { bestStep: 1.5 },
    evalsSinceBest: { evalsSinceBest: -1 },
    skippedInRow: { skippedInRow: -1 },
    skippedTotal: { skippedTotal: null },
    evalBatchCost: { evalBatchCost: -0.5 },
    checkpointMs: { checkpointMs: -1 },
    kernels: { kernels: 1 },
    "kernelChoices.gemm": { kernelChoices: { gemm: 1 } },
  };
  for (const [field, change] of Object.entries(wrong)) {
    assert.throws(() => checkTrainerState({ ...fresh, ...change }), (error) => {
      const { name, message } = error as Error;
      assert.equal(name, "UserError");
      const start = `Cannot use trainer.json: ${field}: `;
      assert.equal(message.slice(0, start.length), start);
      return true;
    });
  }
  for (const field of ["version", "step", "totalSteps"]) {
    assert.throws(() => checkTrainerState({ ...fresh, [field]: undefined }), {
      message: new RegExp(`^Cannot use trainer\\.json: ${field}: `),
    });
  }
  assert.throws(() => checkTrainerState(null), {
    message: /^Cannot use trainer\.json: Invalid input/,
  });
});
