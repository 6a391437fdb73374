/** Several steps between two looks at the device give the same run. */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { train } from "../../src/train/loop.ts";
import type { Snapshot } from "../../src/train/session.ts";
import { gradient } from "../../src/train/step_program.ts";
import { noAdapter, openTestGpu } from "../backend/webgpu/_webgpu.ts";
import { fakeDataset, openTestSession, tinyConfig } from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

const CONFIG = tinyConfig({
  model: { nLayer: 1, dropout: 0.1 },
  train: {
    steps: 30,
    gradAccumSteps: 2,
    beta2: 0.99,
    evalEvery: 12,
    lr: 2e-2,
  },
  checkpoint: { every: 10 },
});
/** Updates, counted from 0, whose gradient is made not finite. */
const BAD = [4, 5, 17];

/** The backend with bad gradients, queued or not, and its looks counted. */
function watched(
  backend: Backend,
  isQueued: boolean,
): { backend: Backend; looks: () => number } {
  let updates = 0, looks = 0;
  const compile: Backend["compile"] = async (program) => {
    const executable = await backend.compile(program);
    const name = gradient("wte");
    const bad = new Float32Array((await executable.read(name)).length);
    bad.fill(NaN);
    return {
      isQueued,
      write: (name, data) => executable.write(name, data),
      read(name) {
        if (name === "log") looks++;
        return executable.read(name);
      },
      readAll: (names) => executable.readAll(names),
      run(phase) {
        const isBad = phase === "update" && BAD.includes(updates++);
        if (isBad) executable.write(name, bad);
        return executable.run(phase);
      },
      dispose: () => executable.dispose(),
    };
  };
  return {
    backend: {
      device: backend.device,
      compile,
      dispose: () => backend.dispose(),
    },
    looks: () => looks,
  };
}

/** A clock on which a step takes 3 ms, more or less. */
function clock(): () => number {
  let time = 0;
  return () => time += 1;
}

async function run(
  open: Backend,
  isQueued: boolean,
): Promise<{ events: TrainEvent[]; snapshot: Snapshot; looks: number }> {
  const { backend, looks } = watched(open, isQueued);
  const dataset = fakeDataset(CONFIG);
  const session = await openTestSession({ config: CONFIG, backend, dataset });
  const events: TrainEvent[] = [];
  const save = async () => {
    await session.snapshot();
    return { name: "saved", sizeBytes: 1 };
  };
  for await (const event of train(session, { now: clock(), save })) {
    events.push(event);
  }
  const snapshot = await session.snapshot();
  await session.dispose();
  return { events, snapshot, looks: looks() };
}

/** All but times. */
function bare(events: readonly TrainEvent[]): object[] {
  return events.map(({ elapsedMs: _e, remainingMs: _r, ...event }) => {
    const { dtMs: _d, tokensPerSec: _t, ...rest } = event as
      & typeof event
      & { dtMs?: number; tokensPerSec?: number };
    return rest;
  });
}

const BACKENDS = {
  cpu: () => openCpuBackend({ threads: 2 }),
  webgpu: openTestGpu,
};

for (const [name, open] of Object.entries(BACKENDS)) {
  Deno.test({
    name: `${name}: looking every few steps changes no event and no bit`,
    ignore: name === "webgpu" && noAdapter,
    async fn() {
      const one = await run(await open(), false);
      const many = await run(await open(), true);
      assert.equal(one.looks, 30);
      // Windows of 1, 4, 5 | 2 | 8 | 4 | 6 steps, and a look for the price.
      assert.equal(many.looks, 8);
      assert.deepEqual(bare(many.events), bare(one.events));
      const skipped = one.events.filter((event) =>
        event.kind === "step" && event.skipped
      );
      assert.deepEqual(skipped.map(({ step }) => step), [5, 6, 18]);
      assert.deepEqual(many.snapshot.params, one.snapshot.params);
      assert.deepEqual(many.snapshot.optimizer, one.snapshot.optimizer);
      const { trainer } = many.snapshot;
      assert.equal(trainer.skippedTotal, 3);
      const times = { elapsedMs: 0, evalBatchCost: 0, checkpointMs: 0 };
      assert.deepEqual(
        { ...trainer, ...times },
        { ...one.snapshot.trainer, ...times },
      );
    },
  });
}

Deno.test("train() told to stop counts the steps that the device has", async () => {
  const stop = new AbortController();
  let updates = 0;
  const backend = scriptedBackend({
    isQueued: true,
    onRun(phase) {
      if (phase === "update" && ++updates === 3) stop.abort();
    },
  });
  const config = tinyConfig({ train: { steps: 30 } });
  const session = await openTestSession({ config, backend });
  const events: TrainEvent[] = [];
  const options = { signal: stop.signal, now: clock() };
  for await (const event of train(session, options)) events.push(event);
  // A window of one, then two of the next four.
  const steps = events.filter(({ kind }) => kind === "step");
  assert.deepEqual(steps.map(({ step }) => step), [1, 2, 3]);
  assert.equal(updates, 3);
  assert.equal(session.state.step, 3);
  assert.equal(session.state.cursor, 3);
});
