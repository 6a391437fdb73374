import assert from "node:assert/strict";
import { philox } from "../../src/base/philox.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { train } from "../../src/train/loop.ts";
import type { SaveCheckpoint } from "../../src/train/saving.ts";
import type { TrainerState } from "../../src/train/trainer_state.ts";
import { fakeDataset, openTestSession, tinyConfig } from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

/** A lid is closed for three hours. */
const PAUSE_MS = 3 * 3_600_000;

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
  {
    name: "every step takes five minutes",
    steps: 48,
    microStepMs: 7500,
    gradAccumSteps: 40,
    evalEvery: 12,
    evalBatches: 5,
    evalBatchMs: 2500,
    saveEvery: 12,
    saveMs: 8000,
  },
];

for (const scenario of SCENARIOS) {
  const { name, steps } = scenario;

  Deno.test(`train() predicts its end within 10 % when ${name}`, async () => {
    const { events } = await simulate(scenario);
    assertPredicted(events, { stepMs: stepMs(scenario) });
  });

  Deno.test(`train() resumed at 90 % on a slower machine predicts its end when ${name}`, async () => {
    // One step later than 90 %, so that an evaluation has to be guessed.
    const fromStep = Math.floor(0.9 * steps) + 1, slowness = 2.5;
    const { trainer } = await simulate(scenario, { stopAt: fromStep });
    assert.equal(trainer!.step, fromStep);
    const { events } = await simulate(scenario, {
      restore: trainer!,
      slownessAt: () => slowness,
    });
    assert.equal(events[0].remainingMs, null); // what was measured is no guide
    assert.equal(events[0].elapsedMs, trainer!.elapsedMs);
    assertPredicted(events, { fromStep, stepMs: slowness * stepMs(scenario) });
  });

  for (const phase of ["step", "eval", "save"] as const) {
    Deno.test(`train() suspended in the middle of a run (${phase}) predicts its end when ${name}`, async () => {
      const pause = { phase, atStep: steps / 2 };
      const { events } = await simulate(scenario, { pause });
      const { atMs, elapsedMs } = events.at(-1)!;
      assert.ok(Math.abs(atMs - elapsedMs) < 10); // the reader's last look
      assertPredicted(events, { stepMs: stepMs(scenario) });
    });
  }

  for (const slowness of [2, 0.5]) {
    Deno.test(`train() predicts its end a minute after steps take ${slowness} times as long when ${name}`, async () => {
      // Long enough to have something left to predict.
      const times = Math.ceil(300_000 / runMs(scenario));
      const longer = { ...scenario, steps: times * steps };
      const changedAt = Math.floor(0.4 * longer.steps);
      const { events } = await simulate(longer, {
        slownessAt: (step) => step < changedAt ? 1 : slowness,
      });
      const changed = events.find(({ step }) => step >= changedAt)!;
      const settled = events.findIndex(({ step, atMs }) =>
        step >= changedAt + 10 && atMs >= changed.atMs + 60_000
      );
      assert.ok(events[settled].step < 0.9 * longer.steps);
      assertPredicted(events.slice(settled), {
        stepMs: slowness * stepMs(scenario),
        fromStep: events[settled].step,
      });
    });
  }
}

Deno.test("train() predicts nothing in a run of less than a second", async () => {
  const { events } = await simulate({ ...SCENARIOS[0], steps: 15 });
  const ahead = events.filter(({ kind }) => kind !== "done");
  assert.ok(
    ahead.every(({ remainingMs, step, kind }) =>
      remainingMs === (step === 15 && kind === "checkpoint" ? 0 : null)
    ),
  );
  assert.equal(events.at(-1)!.remainingMs, 0);
});

Deno.test("train() predicts the planned end until it stops early", async () => {
  const scenario = { ...SCENARIOS[3], improves: false };
  const { events } = await simulate(scenario, { earlyStopPatience: 20 });
  const { kind, step, remainingMs } = events.at(-1)!;
  assert.deepEqual([kind, step, remainingMs], ["done", 200, 0]);
  const before = events.findLast((event) => event.kind === "step")!;
  assert.ok(before.remainingMs! > 400 * stepMs(scenario));
});

Deno.test("train() measures with a clock that nobody sets", async () => {
  const config = tinyConfig({ train: { steps: 40, evalEvery: 10 } });
  const backend = scriptedBackend();
  const session = await openTestSession({ config, backend });
  const { now } = Date;
  let jumps = 0;
  try {
    // A day forward, a day back, and so on.
    Date.now = () => now() + (jumps++ % 2 === 0 ? 1 : -1) * 86_400_000;
    const startMs = performance.now();
    for await (const { elapsedMs, remainingMs } of train(session)) {
      assert.ok(elapsedMs >= 0 && elapsedMs <= performance.now() - startMs);
      assert.ok(remainingMs === null || remainingMs < 86_400_000);
    }
  } finally {
    Date.now = now;
  }
  await session.dispose();
});

/** A moment of a run: real time, and time in which nothing was suspended. */
type Moment = TrainEvent & { atMs: number; awakeMs: number };

/** From 5 % of this process's steps on, once there is a prediction at all. */
function assertPredicted(
  events: readonly Moment[],
  { fromStep = 0, stepMs }: { fromStep?: number; stepMs: number },
): void {
  const { awakeMs: endMs, totalSteps } = events.at(-1)!;
  const from = fromStep + 0.05 * (totalSteps - fromStep);
  let predictions = 0;
  for (const { awakeMs, step, remainingMs, kind } of events) {
    if (step < from || remainingMs === null) continue;
    predictions++;
    const truth = endMs - awakeMs;
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

/** About how long the whole run takes. */
function runMs(scenario: Scenario): number {
  const { steps, evalEvery, evalBatches, evalBatchMs } = scenario;
  const evaluations = evalEvery === 0 ? 1 : steps / evalEvery;
  return steps * stepMs(scenario) + evaluations * evalBatches * evalBatchMs;
}

async function simulate(
  scenario: Scenario,
  { stopAt, restore, slownessAt = () => 1, pause, earlyStopPatience }: {
    stopAt?: number;
    restore?: TrainerState;
    /** Times as long from this step on. */
    slownessAt?: (step: number) => number;
    /** Suspended in the first such thing from this step on. */
    pause?: { phase: "step" | "eval" | "save"; atStep: number };
    earlyStopPatience?: number;
  } = {},
): Promise<{ events: Moment[]; trainer: TrainerState | null }> {
  const { steps, evalEvery, gradAccumSteps } = scenario;
  const config = tinyConfig({
    train: { steps, evalEvery, gradAccumSteps, earlyStopPatience },
    checkpoint: { every: scenario.saveEvery, best: scenario.saveBest },
  });

  let clockMs = 0, pausedMs = 0, runs = 0, warm = false;
  const suspendIn = (phase: "step" | "eval" | "save") => {
    if (pausedMs > 0 || pause?.phase !== phase) return;
    if (session.state.step < pause.atStep) return;
    pausedMs = PAUSE_MS;
    clockMs += PAUSE_MS;
  };
  const phaseMs: Record<string, number> = {
    firstMicroStep: scenario.microStepMs,
    nextMicroStep: scenario.microStepMs,
    eval: scenario.evalBatchMs,
  };
  const backend = scriptedBackend({
    onRun(phase) {
      // Times vary by up to a tenth; a first step takes longer to warm up.
      const [word] = philox([runs++, 0, 0, 0], [1, 2]);
      const jitter = 0.9 + 0.2 * word / 2 ** 32;
      const isFirst = phase === "firstMicroStep" && !warm;
      warm ||= isFirst;
      const factor = slownessAt(session.state.step) * jitter;
      clockMs += (phaseMs[phase] ?? 0) * factor * (isFirst ? 5 : 1);
      suspendIn(phase === "eval" ? "eval" : "step");
    },
    evalLoss: (n) => scenario.improves ? 5 - n / 1e4 : 1 + n / 1e6,
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
    suspendIn("save");
    trainer = { ...session.state };
    return Promise.resolve({ name: "step", sizeBytes: 1 });
  };
  const stop = new AbortController();
  const events: Moment[] = [];
  const options = { save, signal: stop.signal, now: () => clockMs };
  for await (const event of train(session, options)) {
    events.push({ ...event, atMs: clockMs, awakeMs: clockMs - pausedMs });
    if (event.kind === "step" && event.step === stopAt) stop.abort();
    clockMs += scenario.readerMs ?? 0;
  }
  await session.dispose();
  return { events, trainer: trainer as TrainerState | null };
}
