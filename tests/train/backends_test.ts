import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { HearthConfig } from "../../src/config/schema.ts";
import { train } from "../../src/train/loop.ts";
import type { Snapshot } from "../../src/train/session.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
} from "./_helpers.ts";

type OpenBackend = () => Backend | Promise<Backend>;

const BACKENDS: Record<string, OpenBackend> = {
  reference: openReferenceBackend,
  cpu: () => openCpuBackend({ threads: 2 }),
};

/** Trains to the end and gives the losses of all steps and the last state. */
async function trained(
  config: HearthConfig,
  backend: Backend,
  dataset = fakeDataset(config),
): Promise<{ losses: number[]; snapshot: Snapshot }> {
  const session = await openTestSession({ config, backend, dataset });
  const events = await collect(session);
  const snapshot = await session.snapshot();
  await session.dispose();
  return {
    losses: only(events, "step").map(({ trainLoss }) => trainLoss),
    snapshot,
  };
}

/**
 * Losses of ten steps of {@linkcode curveConfig} on the reference backend.
 * A deliberate change of model, init, dropout, schedule or optimizer changes
 * them; nothing else may.
 */
const CURVE = {
  // deno-fmt-ignore
  gpt2: [
    2.396868, 2.371928, 2.407956, 2.236906, 2.161943,
    2.046361, 1.971061, 2.086992, 1.999360, 1.823277,
  ],
  // deno-fmt-ignore
  llama: [
    2.401561, 2.330403, 2.219599, 2.081937, 2.032959,
    1.892814, 1.861822, 2.026855, 1.800995, 1.651433,
  ],
};

function curveConfig(arch: "gpt2" | "llama"): HearthConfig {
  return tinyConfig({
    model: { arch, nLayer: 2, nHead: 4, nEmbd: 16, seqLen: 9, dropout: 0.1 },
    train: { steps: 10, batchSize: 3, gradAccumSteps: 2, lr: 2e-2 },
  });
}

for (const [name, open] of Object.entries(BACKENDS)) {
  for (const arch of ["gpt2", "llama"] as const) {
    Deno.test(`${name}: ten steps of ${arch} give the committed losses`, async () => {
      const { losses } = await trained(curveConfig(arch), await open());
      assert.equal(losses.length, 10);
      losses.forEach((loss, step) => {
        const expected = CURVE[arch][step];
        // Rounding of f32 sums has grown to 1e-6 after ten steps.
        assert.ok(
          Math.abs(loss - expected) < 1e-5,
          `step ${step + 1}: ${loss}, expected ${expected}`,
        );
      });
    });

    Deno.test(`${name}: ${arch} learns one batch by heart`, async () => {
      const config = tinyConfig({
        model: { arch, nLayer: 2, nEmbd: 16 },
        train: { steps: 100, lr: 1e-2, weightDecay: 0 },
      });
      const dataset = fakeDataset(config);
      const batch = await dataset.train.at(0);
      const train = { ...dataset.train, at: () => Promise.resolve(batch) };
      const { losses } = await trained(config, await open(), {
        ...dataset,
        train,
      });
      assert.ok(losses[0] > 2, `${losses[0]}`);
      assert.ok(losses.at(-1)! < 0.05, `${losses.at(-1)}`);
    });
  }
}

Deno.test("cpu: 1, 2 and 3 threads give the same bits", async () => {
  const config = curveConfig("gpt2");
  const one = await trained(config, await openCpuBackend({ threads: 1 }));
  for (const threads of [2, 3]) {
    const many = await trained(config, await openCpuBackend({ threads }));
    assert.deepEqual(many.losses, one.losses);
    assert.deepEqual(many.snapshot.params, one.snapshot.params);
    assert.deepEqual(many.snapshot.optimizer, one.snapshot.optimizer);
  }
});

Deno.test("cpu: resumed at step 5 of 10 gives the same bits", async () => {
  const config = curveConfig("llama");
  const open = async (restore?: Snapshot) =>
    await openTestSession({ config, restore, backend: await openCpuBackend() });
  const whole = await trained(config, await openCpuBackend());

  const start = await open();
  const stop = new AbortController();
  const losses: number[] = [];
  for await (const event of train(start, { signal: stop.signal })) {
    if (event.kind === "step") losses.push(event.trainLoss);
    if (event.step === 5) stop.abort();
  }
  const restore = structuredClone(await start.snapshot());
  await start.dispose();

  const end = await open(restore);
  const events = only(await collect(end), "step");
  losses.push(...events.map(({ trainLoss }) => trainLoss));
  assert.deepEqual(losses, whole.losses);
  const { params, optimizer } = await end.snapshot();
  assert.deepEqual(params, whole.snapshot.params);
  assert.deepEqual(optimizer, whole.snapshot.optimizer);
  await end.dispose();
});
