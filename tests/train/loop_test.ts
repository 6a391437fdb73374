import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { train } from "../../src/train/loop.ts";
import type { SaveInfo } from "../../src/train/saving.ts";
import { collect, only, openTestSession, tinyConfig } from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

const saved = { name: "step", sizeBytes: 7 };
const save = () => Promise.resolve(saved);

/** `eval 4`, `step 5` … */
function outline(events: readonly TrainEvent[]): string[] {
  return events.map((event) => `${event.kind} ${event.step}`);
}

Deno.test("train() yields its events in order", async () => {
  const config = tinyConfig({
    train: { steps: 5, evalEvery: 2 },
    checkpoint: { every: 3 },
  });
  const session = await openTestSession({ config, backend: scriptedBackend() });
  assert.deepEqual(outline(await collect(session, { save })), [
    "start 0",
    "eval 0",
    "step 1",
    "step 2",
    "eval 2",
    "step 3",
    "checkpoint 3",
    "step 4",
    "eval 4",
    "step 5",
    "eval 5",
    "checkpoint 5",
    "done 5",
  ]);
});

Deno.test("train() evaluates only at the end when evalEvery is 0", async () => {
  const config = tinyConfig({ train: { steps: 2, warmupSteps: 0 } });
  const session = await openTestSession({ config, backend: scriptedBackend() });
  assert.deepEqual(outline(await collect(session, { save })), [
    "start 0",
    "step 1",
    "step 2",
    "eval 2",
    "checkpoint 2",
    "done 2",
  ]);
});

Deno.test("train() evaluates and saves when there are no steps to make", async () => {
  const config = tinyConfig({ train: { steps: 0 } });
  const session = await openTestSession({ config, backend: scriptedBackend() });
  const events = await collect(session, { save });
  assert.deepEqual(outline(events), [
    "start 0",
    "eval 0",
    "checkpoint 0",
    "done 0",
  ]);
  assert.equal(only(events, "done")[0].reason, "finished");
});

Deno.test("train() reports where the run stands", async () => {
  const config = tinyConfig({
    train: {
      steps: 10,
      gradAccumSteps: 2,
      logEvery: 4,
      schedule: "constant",
    },
  });
  let clockMs = 0;
  const session = await openTestSession({
    config,
    backend: scriptedBackend({ onRun: () => clockMs += 10 }),
  });
  const events = await collect(session, { now: () => clockMs });
  const third = only(events, "step")[2];
  assert.deepEqual(third, {
    kind: "step",
    trainLoss: 1,
    gradNorm: 1,
    lr: 1e-2,
    skipped: false,
    dtMs: 30, // two micro-steps and the update
    tokensPerSec: 24 / 0.03,
    log: false,
    step: 3,
    totalSteps: 10,
    epoch: 6 / 5, // of 5 batches
    epochs: 20 / 5,
    tokens: 3 * 2 * 2 * 6, // steps * micro-steps * sequences * seqLen
    elapsedMs: 90,
    remainingMs: null,
  });
  const logged = only(events, "step").filter((event) => event.log);
  assert.deepEqual(logged.map((event) => event.step), [4, 8, 10]);
});

Deno.test("train() repeats the session's warnings as events", async () => {
  const session = await openTestSession({
    config: tinyConfig({ train: { steps: 0 } }),
    backend: scriptedBackend(),
    warnings: ["fp16 is not there"],
  });
  const warnings = only(await collect(session), "warning");
  assert.deepEqual(warnings.map((event) => event.message), [
    "fp16 is not there",
  ]);
});

Deno.test("train() saves new bests, but not the untrained model", async () => {
  const losses = [5, 4, 4.5, 3, 2];
  const config = tinyConfig({
    train: { steps: 8, evalEvery: 2 },
    checkpoint: { every: 4, best: true },
  });
  const session = await openTestSession({
    config,
    backend: scriptedBackend({ evalLoss: (n) => losses[Math.floor(n / 2)] }),
  });
  const infos: SaveInfo[] = [];
  const events = await collect(session, {
    save(_, info) {
      infos.push(info);
      return Promise.resolve(saved);
    },
  });
  assert.deepEqual(infos, [
    { step: 2, best: true, periodic: false, final: false },
    { step: 4, best: false, periodic: true, final: false },
    { step: 6, best: true, periodic: false, final: false },
    { step: 8, best: true, periodic: true, final: true },
  ]);
  assert.deepEqual(
    only(events, "eval").map(({ best, bestValLoss }) => [best, bestValLoss]),
    [[true, 5], [true, 4], [false, 4], [true, 3], [true, 2]],
  );
});

Deno.test("train() warns of a model that its training has made worse", async () => {
  const warnings = async (losses: number[], train = {}) => {
    const config = tinyConfig({ train: { steps: 4, evalEvery: 2, ...train } });
    const session = await openTestSession({
      config,
      backend: scriptedBackend({
        evalLoss: (n) => losses[Math.floor(n / 2)],
      }),
    });
    const events = await collect(session, { save });
    assert.equal(events.at(-1)!.kind, "done");
    return only(events, "warning").map(({ message }) => message);
  };
  assert.deepEqual(await warnings([5, 6, 900]), [
    "The model is worse than before its training: the validation loss was " +
    "5.0000 and is 900.0000; train again with a smaller lr, or a longer " +
    "warmupSteps",
  ]);
  assert.deepEqual(await warnings([5, 6, 5.04]), []); // nobody would see it
  assert.deepEqual(await warnings([5, 4, 900]), []); // there is a best one
  const early = { earlyStopPatience: 1 };
  assert.equal((await warnings([5, 6], early)).length, 1);
});

Deno.test("train() stops early when patience is used up", async () => {
  const losses = [5, 4, 4, 4.5, 3];
  const config = tinyConfig({
    train: { steps: 99, evalEvery: 1, earlyStopPatience: 2 },
  });
  const session = await openTestSession({
    config,
    backend: scriptedBackend({ evalLoss: (n) => losses[Math.floor(n / 2)] }),
  });
  const events = await collect(session, { save });
  assert.deepEqual(outline(events).slice(-3), [
    "eval 3",
    "checkpoint 3",
    "done 3",
  ]);
  const [done] = only(events, "done");
  assert.deepEqual([done.reason, done.remainingMs], ["earlyStop", 0]);
});

Deno.test("train() finishes the step and saves when it is told to stop", async () => {
  const stop = new AbortController();
  const backend = scriptedBackend({
    onRun(phase) {
      if (phase === "update" && ++updates === 2) stop.abort();
    },
  });
  let updates = 0;
  const config = tinyConfig({ train: { steps: 9, evalEvery: 2 } });
  const session = await openTestSession({ config, backend });
  const events = await collect(session, { save, signal: stop.signal });
  assert.deepEqual(outline(events), [
    "start 0",
    "eval 0",
    "step 1",
    "step 2", // its evaluation waits for the resume
    "checkpoint 2",
    "done 2",
  ]);
  assert.equal(only(events, "done")[0].reason, "stopped");
});

Deno.test("train() ends an evaluation when it is told to stop", async () => {
  const stop = new AbortController();
  const backend = scriptedBackend({ onRun: () => stop.abort() });
  const config = tinyConfig({ train: { steps: 9, evalEvery: 2 } });
  const session = await openTestSession({ config, backend });
  const events = await collect(session, { save, signal: stop.signal });
  assert.deepEqual(outline(events), ["start 0", "checkpoint 0", "done 0"]);
  assert.equal(session.state.evalStep, null);
});

Deno.test("train() stopped before its last evaluation makes it when resumed", async () => {
  const stop = new AbortController();
  const config = tinyConfig({ train: { steps: 1, warmupSteps: 0 } });
  const backend = scriptedBackend({ onRun: () => stop.abort() });
  const session = await openTestSession({ config, backend });
  const stopped = await collect(session, { save, signal: stop.signal });
  assert.deepEqual(outline(stopped).slice(1), [
    "step 1",
    "checkpoint 1",
    "done 1",
  ]);
  assert.equal(only(stopped, "done")[0].reason, "stopped");

  const events = await collect(session, { save });
  assert.deepEqual(outline(events), ["start 1", "eval 1", "done 1"]);
  assert.equal(only(events, "done")[0].reason, "finished");
});

Deno.test("train() of a run that is complete does nothing", async () => {
  const config = tinyConfig({ train: { steps: 1, warmupSteps: 0 } });
  const session = await openTestSession({ config, backend: scriptedBackend() });
  await collect(session, { save });
  const again = await collect(session, { save });
  assert.deepEqual(outline(again), ["start 1", "done 1"]);
});

Deno.test("train() warns of a step that is not finite and goes on", async () => {
  const corrections: number[] = [];
  const backend = scriptedBackend({
    step: (n) => n === 1 ? { loss: NaN, gradNorm: NaN, scale: 0 } : {},
  });
  const config = tinyConfig({ train: { steps: 4, beta1: 0.5 } });
  const session = await openTestSession({ config, backend });
  const events: TrainEvent[] = [];
  for await (const event of train(session, { save })) {
    events.push(event);
    if (event.kind !== "step") continue;
    const [, correction] = await session.executable.read("schedule");
    corrections.push(correction);
  }
  assert.deepEqual(
    only(events, "step").map(({ skipped }) => skipped),
    [false, true, false, false],
  );
  assert.deepEqual(
    only(events, "warning").map(({ message }) => message),
    ["Skipped step 2: loss is NaN, gradient norm NaN"],
  );
  // 1 - beta1^t: the skipped step is no update, so t is 1, 2, 2, 3.
  assert.deepEqual(corrections, [0.5, 0.75, 0.75, 0.875]);
  assert.deepEqual(
    [session.state.skippedInRow, session.state.skippedTotal],
    [0, 1],
  );
});

Deno.test("train() gives up after too many steps that are not finite", async () => {
  const backend = scriptedBackend({
    step: (n) => n >= 3 ? { loss: Infinity, gradNorm: NaN, scale: 0 } : {},
  });
  const config = tinyConfig({
    train: { steps: 99, maxSkippedSteps: 3 },
    checkpoint: { every: 1 },
  });
  const session = await openTestSession({ config, backend });
  const events: TrainEvent[] = [];
  const error = await assertUserError(async () => {
    const save = (_: unknown, { step }: SaveInfo) =>
      Promise.resolve({ name: `step-${step}`, sizeBytes: 1 });
    for await (const event of train(session, { save })) events.push(event);
  });
  assert.equal(
    error.message,
    "Stopped at step 6: loss is Infinity, gradient norm NaN, not finite for " +
      "3 steps in a row",
  );
  // Step 2 gave step-3 its parameters, and nothing finite came out of them.
  assert.equal(
    error.hint,
    "resume from checkpoint step-2 with a smaller lr, or a longer warmupSteps",
  );
  assert.equal(only(events, "warning").length, 3);
  // Those of the skipped steps would push out the ones of use.
  assert.deepEqual(
    only(events, "checkpoint").map(({ name }) => name),
    ["step-1", "step-2", "step-3"],
  );
});

Deno.test("train() fails when the model ends with a loss that is no number", async () => {
  const backend = scriptedBackend({ evalLoss: () => NaN });
  const config = tinyConfig({
    train: { steps: 3 },
    checkpoint: { every: 2 },
  });
  const session = await openTestSession({ config, backend });
  const events: TrainEvent[] = [];
  const error = await assertUserError(async () => {
    const save = (_: unknown, { step }: SaveInfo) =>
      Promise.resolve({ name: `step-${step}`, sizeBytes: 1 });
    for await (const event of train(session, { save })) events.push(event);
  });
  assert.equal(
    error.message,
    "Stopped at step 3: the validation loss is NaN, so the model is of no use",
  );
  assert.equal(
    error.hint,
    "resume from checkpoint step-2 with a smaller lr, or a longer warmupSteps",
  );
  // The useless one is not saved, and the run is not said to be done.
  assert.deepEqual(outline(events), [
    "start 0",
    "step 1",
    "step 2",
    "checkpoint 2",
    "step 3",
    "eval 3",
  ]);
});

Deno.test("train() that is stopped at a loss that is no number ends as stopped", async () => {
  const stop = new AbortController();
  const backend = scriptedBackend({
    evalLoss: (n) => {
      if (n === 1) stop.abort(); // the evaluation is whole by then
      return NaN;
    },
  });
  const config = tinyConfig({
    train: { steps: 9, evalEvery: 2, evalBatches: 1 },
  });
  const session = await openTestSession({ config, backend });
  const events = await collect(session, { save, signal: stop.signal });
  assert.deepEqual(outline(events).slice(-3), [
    "eval 2",
    "checkpoint 2",
    "done 2",
  ]);
  assert.equal(only(events, "done")[0].reason, "stopped");
});

Deno.test("train() leaves the weights alone when their gradient is not finite", async () => {
  const config = tinyConfig({ train: { steps: 9, maxSkippedSteps: 4 } });
  const session = await openTestSession({ config });
  const wte = await session.executable.read("wte") as Float32Array;
  session.executable.write("wte", wte.with(3, Infinity));
  const before = await session.snapshot();
  const error = await assertUserError(() => collect(session));
  assert.match(error.message, /^Stopped at step 4: loss is NaN/);
  assert.match(error.hint, /^train again with a smaller lr/);
  const after = await session.snapshot();
  assert.deepEqual(after.params, before.params);
  assert.deepEqual(after.optimizer, before.optimizer);
});

Deno.test("train() goes on when a checkpoint fails, and tries the next", async () => {
  const config = tinyConfig({
    train: { steps: 6 },
    checkpoint: { every: 2 },
  });
  let clockMs = 0;
  const session = await openTestSession({
    config,
    backend: scriptedBackend({ onRun: () => clockMs += 10 }),
  });
  const events = await collect(session, {
    now: () => clockMs,
    save(_, { step }) {
      if (step !== 2) return Promise.resolve(saved);
      clockMs += 1000;
      return Promise.reject(new Error("no space left"));
    },
  });
  assert.deepEqual(
    outline(events).filter((line) => /warning|checkpoint/.test(line)),
    ["warning 2", "checkpoint 4", "checkpoint 6"],
  );
  assert.equal(
    only(events, "warning")[0].message,
    "Cannot save the checkpoint of step 2: no space left; training goes on " +
      "to the next one",
  );
  assert.equal(only(events, "done")[0].elapsedMs, 6 * 20 + 2 * 10 + 1000);
});

Deno.test("train() ends when a checkpoint fails with its device", async () => {
  const config = tinyConfig({ train: { steps: 6 }, checkpoint: { every: 2 } });
  const session = await openTestSession({ config, backend: scriptedBackend() });
  let isSound = true;
  session.executable.expectSound = () =>
    isSound ? Promise.resolve() : Promise.reject(new Error("device lost"));
  const events: TrainEvent[] = [];
  const save = () => {
    isSound = false;
    return Promise.reject(new Error("nothing can be read"));
  };
  await assert.rejects(async () => {
    for await (const event of train(session, { save })) events.push(event);
  }, /device lost/);
  assert.deepEqual(outline(events), ["start 0", "step 1", "step 2"]);
});

Deno.test("train() fails when the last checkpoint fails", async () => {
  const config = tinyConfig({ train: { steps: 1, warmupSteps: 0 } });
  const run = async (failure: Error) => {
    const backend = scriptedBackend();
    const session = await openTestSession({ config, backend });
    await collect(session, { save: () => Promise.reject(failure) });
  };
  const error = await assertUserError(() => run(new Error("no space left")));
  assert.equal(
    error.message,
    "Cannot save the checkpoint of step 1: no space left",
  );
  const own = new UserError("Disk is full", { hint: "delete something" });
  assert.equal(await assertUserError(() => run(own)), own);
});

async function assertUserError(
  run: () => Promise<unknown>,
): Promise<UserError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  assert.fail("no error");
}
