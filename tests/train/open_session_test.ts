import assert from "node:assert/strict";
import { EXIT, UserError } from "../../src/base/errors.ts";
import type { HearthConfig } from "../../src/config/hearth_config.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { train } from "../../src/train/loop.ts";
import { openSession } from "../../src/train/open_session.ts";
import { USUAL_WARNINGS } from "../backend/_usual_warnings.ts";
import { collect, only, tinyConfig } from "./_helpers.ts";

/** Runs `body` with a config for a text of 200 lines, and a place for data. */
async function withText(
  more: ConfigInput,
  body: (config: HearthConfig, dataDir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "hearth-test-" });
  try {
    const dataset = `${dir}/text.txt`;
    const lines = Array.from({ length: 200 }, (_, i) => `line ${i} of text\n`);
    await Deno.writeTextFile(dataset, lines.join(""));
    const config = tinyConfig({
      model: { dropout: 0.1 },
      train: { steps: 6, gradAccumSteps: 2, evalEvery: 3, evalBatches: 4 },
      tokenizer: { type: "byte" },
      data: { dataset },
      device: "cpu",
      threads: Math.min(2, navigator.hardwareConcurrency), // or it is warned
      ...more,
    });
    await body(config, `${dir}/data`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function assertNothingIn(dir: string): Promise<void> {
  await assert.rejects(Deno.stat(dir), Deno.errors.NotFound);
}

/** How many threads `work` starts for its text where two run at a time. */
async function textThreads(work: () => Promise<void>): Promise<number> {
  const { Worker } = globalThis;
  let started = 0;
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      started++;
    }
  };
  Object.defineProperty(navigator, "hardwareConcurrency", {
    ...{ value: 2, configurable: true },
  });
  try {
    await work();
  } finally {
    globalThis.Worker = Worker;
    // That of its prototype is there again.
    delete (navigator as { hardwareConcurrency?: number }).hardwareConcurrency;
  }
  return started;
}

Deno.test("openSession() starts no more threads than it says", async () => {
  await withText({ threads: 9 }, async (config, dataDir) => {
    // Longer than what is encoded without threads.
    const { dataset } = config.data;
    await Deno.writeTextFile(`${dataset}`, "eight by".repeat(900_000));
    const started = await textThreads(async () => {
      const session = await openSession({ config, dataDir });
      await session.dispose();
      // The CPU says it by itself, of what it really has.
      const limited = session.warnings.filter((one) => /runs 2,/.test(one));
      assert.equal(limited.length, 1);
    });
    assert.equal(started, 2);
  });
});

Deno.test("openSession() trains on a text file, and goes on with the same bits", async () => {
  await withText({}, async (config, dataDir) => {
    const stages = new Set<string>();
    const whole = await openSession({
      config,
      dataDir,
      onPrepare: ({ stage }) => stages.add(stage),
    });
    assert.equal(whole.device.backend, "cpu");
    assert.deepEqual(whole.warnings, USUAL_WARNINGS);
    assert.deepEqual(
      [...stages].filter((stage) => stage !== "reading data"),
      ["tokenizing", "preparing model"],
    );
    const [before, , after] = only(await collect(whole), "eval");
    assert.ok(after.valLoss < before.valLoss);
    const expected = await whole.snapshot();
    await whole.dispose();

    const start = await openSession({ config, dataDir });
    for await (const event of train(start)) if (event.step === 3) break;
    const restore = structuredClone(await start.snapshot());
    const expectData = start.dataset.identity;
    await start.dispose();

    const end = await openSession({
      config,
      dataDir,
      restore,
      expectData,
    });
    await collect(end);
    const { params, optimizer, trainer } = await end.snapshot();
    await end.dispose();
    assert.deepEqual(params, expected.params);
    assert.deepEqual(optimizer, expected.optimizer);
    assert.equal(trainer.bestValLoss, expected.trainer.bestValLoss);
  });
});

Deno.test("openSession() refuses other data than it is told to expect", async () => {
  await withText({}, async (config, dataDir) => {
    const expectData = { fingerprint: "0".repeat(64) };
    await assert.rejects(
      openSession({ config, dataDir, expectData }),
      UserError,
    );
  });
});

Deno.test("openSession() warns of a device that is not there", async () => {
  await withText({ device: "no such device" }, async (config, dataDir) => {
    const session = await openSession({ config, dataDir });
    await session.dispose();
    assert.equal(session.device.backend, "cpu");
    const [warning, ...others] = session.warnings;
    assert.match(warning, /"no such device"/);
    assert.deepEqual(others, USUAL_WARNINGS);
  });
});

for (
  const [what, more] of Object.entries({
    "a strict device that is not there": {
      device: "no such device",
      strictDevice: true,
    },
    "epochs and steps together": { train: { epochs: 2, steps: 5 } },
    "heads that do not divide channels": {
      model: { nEmbd: 8, nHead: 3 },
    },
  })
) {
  Deno.test(`openSession() refuses ${what} before it writes anything`, async () => {
    await withText(more, async (config, dataDir) => {
      await assert.rejects(
        openSession({ config, dataDir }),
        (error: UserError) => error.exitCode === EXIT.usage,
      );
      await assertNothingIn(dataDir);
    });
  });
}

Deno.test("openSession() rejects with the signal's reason", async () => {
  await withText({}, async (config, dataDir) => {
    const reason = new Error("enough");
    const stop = new AbortController();
    const opening = openSession({
      config,
      dataDir,
      signal: stop.signal,
      onPrepare: () => stop.abort(reason),
    });
    await assert.rejects(opening, reason);
  });
});

Deno.test("openSession() decides on a batch size that is left to it", async () => {
  // 120 windows of 8 tokens or so: 20 batches of 4 and no more.
  await withText({ train: { batchSize: "auto" } }, async (config, dataDir) => {
    assert.equal(config.train.batchSize, 0);
    const session = await openSession({ config, dataDir });
    const { batchSize } = session.config.train;
    const { windows, tokensPerBatch } = session.dataset.train;
    await session.dispose();
    assert.ok(batchSize * 20 <= windows && windows < 2 * batchSize * 20);
    assert.equal(tokensPerBatch, batchSize * config.model.seqLen);
    assert.deepEqual(session.notes, [
      `Batch size auto is ${batchSize}: more would leave few steps per epoch`,
    ]);
  });
});
