/**
 * Runs that go on for longer or with other settings, with the real data layer.
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { HearthConfig } from "../../src/config/hearth_config.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openDataset } from "../../src/data/open_dataset.ts";
import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import type { Engine } from "../../src/run/engine.ts";
import { loadMeta } from "../../src/run/files/meta.ts";
import type { RunEvent } from "../../src/run/run_event.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import {
  type ResumeOptions,
  resumeRun,
  startRun,
} from "../../src/run/runner.ts";
import type { Snapshot } from "../../src/train/snapshot.ts";
import { train } from "../../src/train/loop.ts";
import { assembleSession } from "../../src/train/assemble_session.ts";
import { tinyConfig } from "../train/_helpers.ts";
import { collectRun, copyTree, inTempDir } from "./_helpers.ts";
import { loadMetrics } from "./_load_metrics.ts";
import { readSnapshot } from "./_snapshot.ts";

const engine: Engine = {
  async openSession({ config, dataDir, expectData, restore, plan }) {
    const { dataset, tokenizer } = await openDataset({
      data: config.data,
      tokenizer: config.tokenizer,
      seqLen: config.model.seqLen,
      batchSize: config.train.batchSize,
      seed: config.seed,
      dataDir,
      tokenizerJson: restore?.tokenizerJson,
      expect: expectData,
    });
    const backend = openReferenceBackend();
    const parts = { config, dataset, tokenizer, backend, restore, plan };
    return await assembleSession(parts);
  },
  train,
};

/** 30 batches of 4 windows: 10 steps of 3 batches. */
const WINDOWS = 120;
const SEQ_LEN = 6;

async function configIn(
  dir: string,
  { train, ...more }: ConfigInput = {},
): Promise<HearthConfig> {
  const letters = (count: number) =>
    Array.from({ length: count }, (_, i) => "etaoin shrdlu"[(i * i + 3) % 13])
      .join("");
  const dataset = `${dir}/train.txt`, valDataset = `${dir}/val.txt`;
  await Deno.writeTextFile(dataset, letters(WINDOWS * SEQ_LEN + 1));
  await Deno.writeTextFile(valDataset, letters(50));
  return tinyConfig({
    model: { dropout: 0.1, seqLen: SEQ_LEN },
    tokenizer: { type: "byte" },
    data: { dataset, valDataset },
    train: { batchSize: 4, gradAccumSteps: 3, evalEvery: 4, ...train },
    checkpoint: { every: 4, keep: 20 },
    threads: 1,
    ...more,
  });
}

function start(root: string, config: HearthConfig) {
  return startRun({ root, config, runId: "owl-1", commandLine: [], engine });
}

function resume(root: string, options: Partial<ResumeOptions> = {}) {
  return resumeRun({ root, commandLine: [], engine, ...options });
}

/** Trains up to and including `step`, then walks away, as if killed. */
async function killedAfter(
  step: number,
  events: AsyncGenerator<RunEvent>,
): Promise<void> {
  for await (const event of events) {
    if (event.kind === "step" && event.step === step) return;
  }
  assert.fail(`step ${step} did not come`);
}

async function snapshotOf(root: string): Promise<Snapshot> {
  const { checkpoints } = runPaths(root, "owl-1");
  const { content } = await loadCheckpoint(checkpoints, { read: readSnapshot });
  const { trainer } = content;
  const times = { elapsedMs: 0, checkpointMs: 0, evalBatchCost: 0 };
  return { ...content, trainer: { ...trainer, ...times } };
}

/** What was logged, without times and memory. */
async function metricsOf(root: string): Promise<unknown[]> {
  const metrics = await loadMetrics(runPaths(root, "owl-1").metrics);
  return metrics.map((metric) => {
    const { kind, step, epoch, tokens } = metric;
    const position = { kind, step, epoch, tokens };
    if (metric.kind === "step") {
      const { trainLoss, gradNorm, lr } = metric;
      return { ...position, trainLoss, gradNorm, lr };
    }
    const { valLoss, valBpb, best } = metric;
    return { ...position, valLoss, valBpb, best };
  });
}

async function assertSameRun(root: string, expected: string): Promise<void> {
  assert.deepEqual(await metricsOf(root), await metricsOf(expected));
  assert.deepEqual(await snapshotOf(root), await snapshotOf(expected));
}

function openedOf(events: readonly RunEvent[]) {
  const opened = events.find((event) => event.kind === "opened");
  assert.ok(opened);
  return opened;
}

const EXTENSIONS: [string, Partial<ResumeOptions>][] = [
  ["continued", { more: { epochs: 1 } }],
  ["rewarmed", { more: { steps: 10 }, lrPolicy: "rewarm" }],
  ["held constant", { more: { epochs: 1 }, lrPolicy: "constant" }],
  ["of another batch size", {
    more: { epochs: 1 },
    lrPolicy: "rewarm",
    overrides: { set: ["train.batchSize=5", "train.lr=0.02"] },
  }],
];

for (const [what, options] of EXTENSIONS) {
  Deno.test(`resumeRun() of an extension ${what} has the bits of one never killed`, () =>
    inTempDir(async (dir) => {
      const config = await configIn(dir);
      const first = `${dir}/first`;
      await collectRun(start(first, config));
      const [whole, early, late] = ["whole", "early", "late"]
        .map((name) => `${dir}/${name}`);
      for (const root of [whole, early, late]) await copyTree(first, root);

      await collectRun(resume(whole, options));
      // Before the first save of the extension, at step 12, and after it.
      await killedAfter(11, resume(early, options));
      await killedAfter(14, resume(late, options));
      for (const root of [early, late]) {
        await collectRun(resume(root));
        await assertSameRun(root, whole);
      }
    }));
}

Deno.test("resumeRun() for more epochs reads the data as one longer run does", () =>
  inTempDir(async (dir) => {
    const settings = { schedule: "constant", evalEvery: 5 } as const;
    const config = await configIn(dir, { train: settings });
    const more = await configIn(dir, { train: { ...settings, epochs: 2.5 } });
    const [parts, whole] = [`${dir}/parts`, `${dir}/whole`];
    await collectRun(start(parts, config));
    await collectRun(resume(parts, { more: { epochs: 1 } }));
    await collectRun(resume(parts, { more: { epochs: 0.5 } }));
    await collectRun(start(whole, more));
    assert.deepEqual(await metricsOf(parts), await metricsOf(whole));
    const { params, optimizer, trainer } = await snapshotOf(parts);
    const expected = await snapshotOf(whole);
    assert.deepEqual([params, optimizer], [
      expected.params,
      expected.optimizer,
    ]);
    assert.deepEqual([trainer.cursor, trainer.step], [75, 25]);
  }));

Deno.test("resumeRun() says the learning rates before it trains with them", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir);
    await collectRun(start(dir, config));
    const events = await collectRun(
      resume(dir, { more: { steps: 20 }, lrPolicy: "rewarm" }),
    );
    const { isExtended, lrPlan } = openedOf(events);
    assert.ok(isExtended);
    assert.equal(lrPlan.policy, "rewarm");
    assert.deepEqual(lrPlan.points.map(({ step }) => step), [11, 13, 22, 30]);
    const rates = new Map(
      events.flatMap((event) =>
        event.kind === "step" ? [[event.step, event.lr] as const] : []
      ),
    );
    for (const { step, lr } of lrPlan.points) assert.equal(rates.get(step), lr);
  }));

Deno.test("resumeRun() notes other settings, and keeps them", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir);
    await killedAfter(6, start(dir, config));
    const set = ["train.batchSize=6", "train.weightDecay=0", "threads=2"];
    const events = await collectRun(resume(dir, { overrides: { set } }));
    const changes = [
      { path: "threads", from: 1, to: 2 },
      { path: "train.batchSize", from: 4, to: 6 },
      { path: "train.weightDecay", from: 0.1, to: 0 },
    ];
    const opened = openedOf(events);
    assert.deepEqual(opened.changes, changes);
    assert.deepEqual(opened.notes, [
      // Four steps of 3 batches of 4: eight batches of 6.
      "In batches of 6, the epoch goes on after 48 of 120 windows",
      // Of 30 batches 18 are left, 0.6 of an epoch: 12 of 20.
      "4 steps are left in place of 6, to train on the same data",
    ]);
    const { config: kept, sessions } = await loadMeta(
      runPaths(dir, "owl-1").meta,
    );
    assert.equal(kept.train.batchSize, 6);
    assert.deepEqual(sessions.map(({ overrides }) => overrides), [[], changes]);
    const { trainer } = await snapshotOf(dir);
    assert.deepEqual([trainer.step, trainer.cursor], [8, 20]);

    // A later session goes on with them, and has nothing new to say.
    const later = openedOf(
      await collectRun(resume(dir, {
        more: { steps: 1 },
        lrPolicy: "constant",
      })),
    );
    assert.deepEqual([later.changes, later.config.train.batchSize], [[], 6]);
  }));

Deno.test("resumeRun() from a chosen checkpoint goes to the end it had then", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir);
    await collectRun(start(dir, config));
    await collectRun(resume(dir, { from: "4", more: { steps: 2 } }));
    assert.equal((await snapshotOf(dir)).trainer.step, 6);
    await collectRun(resume(dir, { from: "4" }));
    assert.equal((await snapshotOf(dir)).trainer.step, 10);
  }));

Deno.test("resumeRun() gives a run that was stopped early its patience back", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir, {
      // A rate that spoils the model: no evaluation is ever a new best.
      train: { lr: 5, warmupSteps: 0, evalEvery: 2, earlyStopPatience: 2 },
    });
    const reasonOf = (events: RunEvent[]) =>
      events.flatMap((event) =>
        event.kind === "done" ? [`${event.reason} at ${event.step}`] : []
      ).join();
    assert.equal(
      reasonOf(await collectRun(start(dir, config))),
      "earlyStop at 4",
    );
    await assert.rejects(collectRun(resume(dir)), {
      message: 'Cannot resume "owl-1": it is complete after 4 steps',
    });
    const events = await collectRun(resume(dir, { more: { steps: 6 } }));
    assert.equal(reasonOf(events), "earlyStop at 8");
  }));

Deno.test("resumeRun() refuses what makes no sense, and changes nothing", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir);
    await killedAfter(2, start(dir, config));
    const { meta } = runPaths(dir, "owl-1");
    const before = await Deno.readTextFile(meta);
    await assert.rejects(collectRun(resume(dir, { more: { epochs: 1 } })), {
      message: 'Cannot train more of "owl-1": it has no checkpoint yet',
      hint: "type hearth resume owl-1, or start another run with " +
        "hearth train --epochs N",
    });
    await assert.rejects(collectRun(resume(dir, { lrPolicy: "rewarm" })), {
      message: "Cannot use the learning rate policy rewarm on its own: it " +
        "says what the rate does in additional steps",
      hint: "type hearth resume owl-1 --more-epochs 1 --lr-policy rewarm",
    });
    await assert.rejects(
      collectRun(resume(dir, { overrides: { set: ["seed=3"] } })),
      {
        message: "Cannot change seed from 1337 to 3: the order of the data " +
          "and the dropout follow from it",
      },
    );
    assert.equal(await Deno.readTextFile(meta), before);

    // A run without a checkpoint starts anew, with the settings of now.
    await collectRun(resume(dir, { overrides: { set: ["train.lr=0.02"] } }));
    const overrides = { set: ["train.lr=0.03"] };
    await assert.rejects(collectRun(resume(dir, { overrides })), {
      message: 'Cannot resume "owl-1": it is complete after 10 steps',
    });
    assert.equal((await loadMeta(meta)).config.train.lr, 0.02);
  }));

Deno.test("resumeRun() takes text that was moved, but no other", () =>
  inTempDir(async (dir) => {
    const config = await configIn(dir);
    await collectRun(start(dir, config));
    await Deno.rename(`${dir}/train.txt`, `${dir}/moved.txt`);
    const more = { steps: 1 };
    await assert.rejects(collectRun(resume(dir, { more })), {
      message: /^Cannot read .*train\.txt/,
    });
    const overrides = { set: [`data.dataset=${dir}/moved.txt`] };
    await collectRun(resume(dir, { more, overrides }));
    await collectRun(resume(dir, { more })); // it remembers the new place

    await Deno.writeTextFile(`${dir}/other.txt`, "another text ".repeat(100));
    const other = { set: [`data.dataset=${dir}/other.txt`] };
    await assert.rejects(collectRun(resume(dir, { more, overrides: other })), {
      message: `Cannot continue with dataset "${dir}/other.txt": ` +
        `"${dir}/other.txt" has another text than "${dir}/moved.txt" had`,
      exitCode: 2,
    });
  }));
