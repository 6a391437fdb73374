import assert from "node:assert/strict";
import { philox } from "../../src/base/philox.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { type SaveCheckpoint, train } from "../../src/train/loop.ts";
import type { TrainerState } from "../../src/train/trainer_state.ts";
import { fakeDataset, openTestSession, tinyConfig } from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

/** A run on a device of stable speed, in simulated time. */
interface Scenario {
  name: string;
  steps: number;
  microStepMs: number;
  gradAccumSteps?: number;
  /** Time between events, of whoever reads them. */
  readerMs?: number;
  evalEvery: number;
  evalBatches: number;
  evalBatchMs: number;
  saveEvery: number;
  saveMs: number;
  saveBest?: boolean;
  /** Every evaluation is a new best, or none but the first. */
  improves?: boolean;
}

const SCENARIOS: Scenario[] = [
  {
    name: "steps only",
    steps: 400,
    microStepMs: 50,
    evalEvery: 0,
    evalBatches: 1,
    evalBatchMs: 20,
    saveEvery: 0,
    saveMs: 30,
  },
  {
    name: "evaluations take half of the time",
    steps: 1000,
    microStepMs: 30,
    readerMs: 8,
    evalEvery: 50,
    evalBatches: 100,
    evalBatchMs: 15,
    saveEvery: 100,
    saveMs: 250,
  },
  {
    name: "every evaluation is saved as the best",
    steps: 600,
    microStepMs: 40,
    evalEvery: 20,
    evalBatches: 10,
    evalBatchMs: 12,
    saveEvery: 60,
    saveMs: 300,
    saveBest: true,
    improves: true,
  },
  {
    name: "no evaluation is saved as the best",
    steps: 600,
    microStepMs: 400,
    gradAccumSteps: 3,
    evalEvery: 10,
    evalBatches: 3,
    evalBatchMs: 150,
    saveEvery: 100,
    saveMs: 2000,
    saveBest: true,
    improves: false,
  },
  {
    name: "slow steps",
    steps: 60,
    microStepMs: 30_000,
    evalEvery: 20,
    evalBatches: 5,
    evalBatchMs: 9000,
    saveEvery: 20,
    saveMs: 8000,
  },
];

for (const scenario of SCENARIOS) {
  Deno.test(`train() predicts its end within 10 % when ${scenario.name}`, async () => {
    const { events } = await simulate(scenario);
    assertPredicted(events, { stepMs: stepMs(scenario) });
  });

  Deno.test(`train() resumed at 90 % on a slower machine predicts its end when ${scenario.name}`, async () => {
    // One step later than 90 %, so that an evaluation has to be guessed.
    const fromStep = 0.9 * scenario.steps + 1, slowness = 2.5;
    const { trainer } = await simulate(scenario, { stopAt: fromStep });
    assert.equal(trainer!.step, fromStep);
    const { events } = await simulate(scenario, {
      restore: trainer!,
      slowness,
    });
    assertPredicted(events, { fromStep, stepMs: slowness * stepMs(scenario) });
  });
}

/** From 5 % of this process's steps on, once there is a prediction at all. */
function assertPredicted(
  events: readonly (TrainEvent & { atMs: number })[],
  { fromStep = 0, stepMs }: { fromStep?: number; stepMs: number },
): void {
  const { atMs: endMs, totalSteps } = events.at(-1)!;
  const from = fromStep + 0.05 * (totalSteps - fromStep);
  let predictions = 0;
  for (const { atMs, step, remainingMs, kind } of events) {
    if (step < from || remainingMs === null) continue;
    predictions++;
    const truth = endMs - atMs;
    // Single steps vary, and with none left to average that shows.
    const tolerance = 0.1 * truth + stepMs;
    assert.ok(
      Math.abs(remainingMs - truth) <= tolerance,
      `${kind} at step ${step}: ${remainingMs} ms, in truth ${truth} ms`,
    );
  }
  assert.ok(predictions > 0.5 * (totalSteps - from), `${predictions} made`);
}

function stepMs({ microStepMs, gradAccumSteps = 1 }: Scenario): number {
  return microStepMs * gradAccumSteps;
}

async function simulate(
  scenario: Scenario,
  { stopAt, restore, slowness = 1 }: {
    stopAt?: number;
    restore?: TrainerState;
    slowness?: number;
  } = {},
) {
  const { steps, evalEvery, gradAccumSteps } = scenario;
  const config = tinyConfig({
    train: { steps, evalEvery, gradAccumSteps },
    checkpoint: { every: scenario.saveEvery, best: scenario.saveBest },
  });

  let clockMs = 0, runs = 0, warm = false;
  const phaseMs: Record<string, number> = {
    firstMicroStep: scenario.microStepMs,
    nextMicroStep: scenario.microStepMs,
    eval: scenario.evalBatchMs,
  };
  const backend = scriptedBackend({
    onRun(phase) {
      // Times vary by up to a tenth; the first step takes five times as long.
      const [word] = philox([runs++, 0, 0, 0], [1, 2]);
      const jitter = 0.9 + 0.2 * word / 2 ** 32;
      const isFirst = phase === "firstMicroStep" && !warm;
      warm ||= isFirst;
      const factor = slowness * jitter * (isFirst ? 5 : 1);
      clockMs += (phaseMs[phase] ?? 0) * factor;
    },
    evalLoss: (n) => scenario.improves ? 5 - n / 1e4 : 1 + n / 1e4,
  });

  const session = await openTestSession({
    config,
    backend,
    dataset: fakeDataset(config, { valBatches: scenario.evalBatches }),
  });
  if (restore) Object.assign(session.state, restore);
  let trainer: TrainerState | null = null;
  const save: SaveCheckpoint = () => {
    clockMs += scenario.saveMs;
    trainer = { ...session.state };
    return Promise.resolve({ name: "step", sizeBytes: 1 });
  };
  const stop = new AbortController();
  const events: (TrainEvent & { atMs: number })[] = [];
  const options = { save, signal: stop.signal, now: () => clockMs };
  for await (const event of train(session, options)) {
    events.push({ ...event, atMs: clockMs });
    if (event.kind === "step" && event.step === stopAt) stop.abort();
    clockMs += scenario.readerMs ?? 0;
  }
  await session.dispose();
  return { events, trainer: trainer as TrainerState | null };
}
