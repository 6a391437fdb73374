import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { readTensors } from "../../src/train/snapshot.ts";
import { fromHuggingFace } from "../model/_huggingface.ts";
import {
  collect,
  fakeDataset,
  openTestSession,
  tinyConfig,
  V,
} from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

Deno.test("assembleSession() counts steps from epochs", async () => {
  // 5 batches per epoch, 2 micro-steps per step: 2.5 steps per epoch.
  for (
    const [epochs, steps] of [[undefined, 3], [2, 5], [0.4, 1], [0.01, 1], [
      7.4,
      19,
    ]]
  ) {
    const config = tinyConfig({ train: { epochs, gradAccumSteps: 2 } });
    const session = await openTestSession({ config });
    assert.equal(session.stepsPerEpoch, 2.5);
    assert.equal(session.totalSteps, steps, `${epochs} epochs`);
    assert.equal(session.state.totalSteps, steps);
  }
});

Deno.test("assembleSession() takes steps as they are, unless more are asked for", async () => {
  const config = tinyConfig({ train: { steps: 7 } });
  const session = await openTestSession({ config });
  assert.equal(session.totalSteps, 7);
  const restore = await session.snapshot();
  const other = tinyConfig({ train: { steps: 9 } });
  const resumed = await openTestSession({ config: other, restore });
  assert.equal(resumed.totalSteps, 7);
  const plan = { more: { steps: 12 } };
  const longer = await openTestSession({ config, restore, plan });
  assert.equal(longer.totalSteps, 12);
  assert.equal((await longer.snapshot()).trainer.totalSteps, 12);
});

Deno.test("assembleSession() warns of a warm-up that outlasts the run", async () => {
  const warnings = async (steps: number) => {
    const config = tinyConfig({ train: { steps, warmupSteps: 4 } });
    return (await openTestSession({ config })).warnings;
  };
  assert.deepEqual(await warnings(5), []);
  assert.deepEqual(await warnings(4), [
    "The warm-up takes 4 steps and the run has 4, so the learning rate does " +
    "not reach 0.01: train for more epochs, or lower warmupSteps",
  ]);
});

Deno.test("assembleSession() settles the warm-up of a new run, once", async () => {
  const train = { steps: 20, warmupSteps: 4, warmupFraction: 0.1 };
  const session = await openTestSession({ config: tinyConfig({ train }) });
  assert.equal(session.config.train.warmupSteps, 2);
  assert.ok(!("warmupFraction" in session.config.train));
  // A run that goes on has the one it began with, however long it gets.
  const restore = await session.snapshot();
  const { config } = session;
  const plan = { more: { steps: 80 } };
  const longer = await openTestSession({ config, restore, plan });
  assert.equal(longer.config.train.warmupSteps, 2);
  // One of an earlier version may have been longer.
  const before = await openTestSession({
    config: tinyConfig({ train }),
    restore,
  });
  assert.equal(before.config.train.warmupSteps, 4);
});

Deno.test("assembleSession() refuses data without a batch, and closes it", async () => {
  const config = tinyConfig();
  const dataset = fakeDataset(config, { trainBatches: 0 });
  const backend = scriptedBackend();
  await assertRefused(
    openTestSession({ config, dataset, backend }),
    "Cannot make one batch of the train data: it has 1 tokens, a batch " +
      "needs 13",
  );
  assert.ok(dataset.closed && backend.disposed);
});

Deno.test("dispose() frees the device and closes the data", async () => {
  const config = tinyConfig();
  const dataset = fakeDataset(config);
  const backend = scriptedBackend();
  const session = await openTestSession({ config, dataset, backend });
  assert.ok(!dataset.closed && !backend.disposed);
  await session.dispose();
  assert.ok(dataset.closed && backend.disposed);
});

Deno.test("a session knows its size", async () => {
  const session = await openTestSession();
  // wte 11*8, wpe 6*8, block 12*8*8 weights + 13*8 biases and norms, lnF 2*8
  const parameters = 88 + 48 + 768 + 104 + 16;
  assert.equal(session.parameterCount, parameters);
  assert.equal(session.checkpointBytes, 12 * parameters);
  // Parameters, gradients, m and v, and at least one copy of the logits.
  assert.ok(session.memoryBytes > 16 * parameters + 4 * 12 * V);
});

Deno.test("snapshot() has Hugging Face's names and is a copy", async () => {
  const session = await openTestSession({
    config: tinyConfig({ train: { steps: 1 } }),
  });
  const before = await session.snapshot();
  const copy = structuredClone(before);
  await collect(session);
  assert.deepEqual(before, copy);

  const after = await session.snapshot();
  assert.equal(after.trainer.step, 1);
  assert.deepEqual(
    after.params.slice(0, 3).map(({ name, shape }) => [name, shape]),
    [
      ["transformer.wte.weight", [11, 8]],
      ["transformer.wpe.weight", [6, 8]],
      ["transformer.h.0.ln_1.weight", [8]],
    ],
  );
  assert.deepEqual(
    after.optimizer.slice(0, 2).map(({ name, shape }) => [name, shape]),
    [["m.wte", [11, 8]], ["v.wte", [11, 8]]],
  );
  assert.notDeepEqual(after.params[0].data, before.params[0].data);
  assert.ok(before.optimizer.every(({ data }) => data.every((x) => x === 0)));
  assert.equal(Reflect.get(after.modelConfig, "vocab_size"), V);
});

Deno.test("snapshotSource() reads the device when asked to", async () => {
  for (const arch of ["gpt2", "llama"] as const) {
    const session = await openTestSession({
      config: tinyConfig({
        train: { steps: 1 },
        model: { arch, bias: false, tieEmbeddings: false },
      }),
    });
    const { executable, model } = session;
    const source = session.snapshotSource();
    await collect(session); // the tensors move on, the counters do not
    assert.equal(source.trainer.step, 0);
    const { params, optimizer } = await readTensors(source);
    for (const [name, values] of fromHuggingFace(model, params)) {
      assert.deepEqual(values, await executable.read(name), name);
    }
    for (const { name, data } of optimizer) {
      assert.deepEqual(data, await executable.read(name), name);
    }
  }
});

Deno.test("assembleSession() warns when other kernels computed the checkpoint", async () => {
  const session = await openTestSession();
  const restore = await session.snapshot();
  assert.deepEqual((await openTestSession({ restore })).warnings, []);
  const { warnings, state } = await openTestSession({
    restore,
    backend: scriptedBackend(),
  });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /^The kernels are not those of the checkpoint/);
  assert.equal(state.kernels, "scripted");
  // Those of another generation, as the name tells.
  const { kernels } = restore.trainer;
  restore.trainer.kernels = `${kernels}, generation 7`;
  assert.deepEqual((await openTestSession({ restore })).warnings, [
    "The kernels are not those of the checkpoint, so the numbers may differ " +
    `in their last bits: "${kernels}" now, "${kernels}, generation 7" then`,
  ]);
});

Deno.test("assembleSession() refuses a snapshot of another model", async () => {
  const restore = await (await openTestSession()).snapshot();
  const config = tinyConfig({ model: { nEmbd: 16 } });
  await assert.rejects(openTestSession({ config, restore }), UserError);
  const [first, ...optimizer] = restore.optimizer;
  assert.equal(first.name, "m.wte");
  await assertRefused(
    openTestSession({ restore: { ...restore, optimizer } }),
    `Cannot resume: the optimizer's "m.wte" has 0 values, expected 88`,
  );
});

Deno.test("assembleSession() refuses a tokenizer with more ids than the model", async () => {
  const restore = await (await openTestSession()).snapshot();
  const { hearth, ...others } = restore.modelConfig as Record<string, object>;
  const modelConfig = { ...others, hearth: { ...hearth, vocabSize: V - 1 } };
  await assertRefused(
    openTestSession({ restore: { ...restore, modelConfig } }),
    `Cannot train this model: the tokenizer has ${V} ids, the model ${V - 1}`,
  );
});

async function assertRefused(
  opening: Promise<unknown>,
  message: string,
): Promise<void> {
  await assert.rejects(opening, (error: Error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.message, message);
    return true;
  });
}
