import assert from "node:assert/strict";
import { Eta } from "../../src/train/eta.ts";

const NO_GUESS = { evalCost: 0, checkpointMs: 0 };

function after(steps: number[], guess = NO_GUESS): Eta {
  const eta = new Eta(guess);
  for (const ms of steps) eta.recordStep(ms);
  return eta;
}

function stepsLeft(steps: number) {
  return { steps, evaluations: 0, checkpoints: 0 };
}

Deno.test("Eta is null until there are three steps after the first", () => {
  assert.equal(after([]).remainingMs(stepsLeft(10)), null);
  assert.equal(after([9e9, 400, 400]).remainingMs(stepsLeft(10)), null);
  assert.equal(after([9e9, 400, 400, 400]).remainingMs(stepsLeft(10)), 4000);
});

Deno.test("Eta is null until a second has passed after the first step", () => {
  const fast = Array<number>(100).fill(10);
  assert.equal(after(fast).remainingMs(stepsLeft(10)), null); // 990 ms
  assert.equal(after([...fast, 10]).remainingMs(stepsLeft(10)), 100);
});

Deno.test("Eta needs no more than two slow steps that agree", () => {
  const slow = 300_000, suspended = 3_600_000;
  assert.equal(after([slow]).remainingMs(stepsLeft(10)), null);
  assert.equal(after([slow, slow]).remainingMs(stepsLeft(10)), 10 * slow);
  assert.equal(after([suspended, slow]).remainingMs(stepsLeft(10)), null);
  assert.equal(
    after([suspended, slow, slow]).remainingMs(stepsLeft(10)),
    10 * slow,
  );
  // A first step of less than a minute may be slow because it is the first.
  assert.equal(after([59_000, 50_000]).remainingMs(stepsLeft(10)), null);
});

Deno.test("Eta lets the price of an evaluation follow the speed of steps", () => {
  const eta = after([0, ...Array<number>(10).fill(500)]);
  eta.recordEvaluation(2000);
  for (let i = 0; i < 120; i++) eta.recordStep(1000);
  assert.equal(eta.evalCost, 4);
  const work = { steps: 0, evaluations: 3, checkpoints: 0 };
  assert.equal(eta.remainingMs(work), 12_000);
});

Deno.test("Eta is 0 at the end, with or without history", () => {
  assert.equal(after([]).remainingMs(stepsLeft(0)), 0);
});

Deno.test("Eta adds evaluations and checkpoints at their measured cost", () => {
  const eta = after([0, 500, 500, 500], { evalCost: 99, checkpointMs: 99 });
  for (const ms of [900, 300, 310]) eta.recordEvaluation(ms);
  for (const ms of [80, 70, 9000]) eta.recordCheckpoint(ms);
  assert.equal(
    eta.remainingMs({ steps: 10, evaluations: 2, checkpoints: 0.5 }),
    10 * 500 + 2 * 310 + 0.5 * 80,
  );
  assert.equal(eta.evalCost, 310 / 500);
  assert.equal(eta.checkpointMs, 80);
});

Deno.test("Eta goes by the last five evaluations and checkpoints", () => {
  const eta = after([0, 500, 500, 500]);
  const slower = [100, 100, 100, 100, 100, 100, 200, 200, 200];
  for (const ms of slower.slice(0, -1)) {
    eta.recordEvaluation(ms);
    eta.recordCheckpoint(ms);
  }
  assert.deepEqual([eta.evalCost, eta.checkpointMs], [100 / 500, 100]);
  eta.recordEvaluation(200);
  eta.recordCheckpoint(200);
  assert.deepEqual([eta.evalCost, eta.checkpointMs], [200 / 500, 200]);
});

Deno.test("Eta goes by the guess while nothing was measured", () => {
  const eta = after([0, 500, 500, 500], { evalCost: 3, checkpointMs: 70 });
  assert.equal(
    eta.remainingMs({ steps: 10, evaluations: 2, checkpoints: 1 }),
    10 * 500 + 2 * 3 * 500 + 70,
  );
});

for (const stepMs of [2, 100, 700, 20_000]) {
  Deno.test(`Eta is not spoiled by a suspension with steps of ${stepMs} ms`, () => {
    const enough = Math.ceil(2000 / stepMs) + 5;
    const steps = Array<number>(enough).fill(stepMs);
    const eta = after(steps);
    for (let i = 0; i < 2 * enough; i++) {
      eta.recordStep(i === 0 ? 3_600_000 : stepMs);
      assert.equal(eta.remainingMs(stepsLeft(10)), 10 * stepMs);
    }
    eta.recordEvaluation(50);
    eta.recordEvaluation(3_600_000);
    assert.equal(eta.evalCost, 50 / stepMs);
  });
}

Deno.test("Eta gives nothing rather than a wrong time when suspended early", () => {
  const eta = after([10, 10, 10, 3_600_000]);
  for (let i = 0; i < 300; i++) {
    const remaining = eta.remainingMs(stepsLeft(10));
    assert.ok(remaining === null || remaining === 100, `${remaining}`);
    eta.recordStep(10);
  }
  assert.equal(eta.remainingMs(stepsLeft(10)), 100);
});

for (const fastMs of [10, 300]) {
  Deno.test(`Eta counts slow steps among those of ${fastMs} ms that come again and again`, () => {
    const slowMs = 11 * fastMs; // with nine others, the mean is 2 * fastMs
    const pattern = [...Array<number>(9).fill(fastMs), slowMs];
    const steps = Array.from({ length: 400 }, (_, i) => pattern[i % 10]);
    const remaining = after([0, ...steps]).remainingMs(stepsLeft(100))!;
    const expected = 100 * 2 * fastMs;
    assert.ok(Math.abs(remaining - expected) < 0.1 * expected, `${remaining}`);
  });
}

Deno.test("Eta follows a lasting change of speed", () => {
  const eta = after([0, ...Array<number>(500).fill(300)]);
  for (let i = 0; i < 64; i++) eta.recordStep(600);
  assert.equal(eta.remainingMs(stepsLeft(10)), 6000);
});
