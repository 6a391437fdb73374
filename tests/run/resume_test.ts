/** Runs that go on from a checkpoint; extend_test.ts has those with new ends. */

import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { Engine } from "../../src/run/engine.ts";
import type { Metric } from "../../src/run/files/metrics.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";
import { loadMetrics } from "./_load_metrics.ts";
import {
  countingEngine,
  resume,
  start,
  startAndLeave,
  startAndStop,
  status,
} from "./_runs.ts";

/** Which step had which loss, in the order of the file. */
async function losses(root: string): Promise<string[]> {
  const metrics = await loadMetrics(runPaths(root, "owl-1").metrics);
  const loss = (metric: Metric) =>
    metric.kind === "step" ? metric.trainLoss : metric.valLoss;
  return metrics.map((metric) =>
    `${metric.kind} ${metric.step} ${loss(metric)}`
  );
}

async function finalTensors(root: string): Promise<Uint8Array[]> {
  const dir = `${runPaths(root, "owl-1").checkpoints}/step-00000012`;
  return [
    await Deno.readFile(`${dir}/model.safetensors`),
    await Deno.readFile(`${dir}/optimizer.safetensors`),
  ];
}

for (
  const [how, first] of [
    ["stopped at a checkpoint", (root: string) => startAndStop(root, 6)],
    ["stopped between two", (root: string) => startAndStop(root, 7)],
    ["stopped before an evaluation", (root: string) => startAndStop(root, 8)],
    ["killed", (root: string) => startAndLeave(root, 8)],
    ["killed before the first", (root: string) => startAndLeave(root, 2)],
  ] as const
) {
  Deno.test(`resumeRun() of a run ${how} is bitwise an uninterrupted run`, () =>
    inTempDir(async (root) => {
      await first(`${root}/parts`);
      await collectRun(resume(`${root}/parts`));
      await collectRun(start(`${root}/whole`));
      assert.deepEqual(
        await losses(`${root}/parts`),
        await losses(`${root}/whole`),
      );
      assert.deepEqual(
        await finalTensors(`${root}/parts`),
        await finalTensors(`${root}/whole`),
      );
      assert.equal((await status(`${root}/parts`)).status, "completed");
    }));
}

Deno.test("resumeRun() from an older checkpoint repeats the same history", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    const before = [await losses(root), await finalTensors(root)];
    const events = await collectRun(resume(root, { from: "6" }));
    const opened = events.find((event) => event.kind === "opened");
    assert.deepEqual(opened?.resumedFrom, {
      checkpoint: "step-00000006",
      step: 6,
    });
    assert.deepEqual([await losses(root), await finalTensors(root)], before);
  }));

Deno.test("resumeRun() from an older checkpoint makes it the latest", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    for await (const event of resume(root, { from: "6" })) {
      if (event.kind === "step") break; // killed before it could save
    }
    const events = await collectRun(resume(root));
    const opened = events.find((event) => event.kind === "opened");
    assert.equal(opened?.resumedFrom?.step, 6);
  }));

Deno.test("resumeRun() trains on for more steps", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    await collectRun(resume(root, { more: { steps: 3 } }));
    const { status: last, step, totalSteps } = await status(root);
    assert.deepEqual([last, step, totalSteps], ["completed", 15, 15]);
  }));

Deno.test("resumeRun() says which damaged checkpoint it passed over", () =>
  inTempDir(async (root) => {
    await startAndStop(root, 7);
    const { checkpoints } = runPaths(root, "owl-1");
    await Deno.remove(`${checkpoints}/step-00000007/trainer.json`);
    const events = await collectRun(resume(root));
    const warning = 'Cannot load "owl-1/step-00000007": trainer.json is ' +
      "missing; using step-00000006";
    assert.deepEqual(
      events.filter((event) => event.kind === "warning")
        .map(({ message }) => message),
      [warning],
    );
    assert.deepEqual((await status(root)).warnings, [warning]);
  }));

Deno.test("resumeRun() refuses a completed run and changes nothing", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    const { state } = runPaths(root, "owl-1");
    const before = await Deno.readTextFile(state);
    const error = {
      message: 'Cannot resume "owl-1": it is complete after 12 steps',
      hint: "type hearth resume owl-1 --more-epochs 1 to train on, or " +
        "hearth generate owl-1 to see what it writes",
      exitCode: 2,
    };
    await assert.rejects(collectRun(resume(root)), error);
    assert.equal(await Deno.readTextFile(state), before);
    // Its last checkpoint, by name, leaves nothing to do either.
    const engine = countingEngine();
    const again = resume(root, { from: "latest", engine });
    await assert.rejects(collectRun(again), error);
    assert.equal(engine.open, 0);
    assert.equal((await status(root)).status, "completed");
  }));

Deno.test("resumeRun() takes only checkpoints of the run itself", () =>
  inTempDir(async (root) => {
    await startAndStop(root, 7);
    await startAndStop(`${root}/other`, 7);
    const { checkpoints } = runPaths(`${root}/other`, "owl-1");
    const from = `${checkpoints}/step-00000007`;
    await assert.rejects(collectRun(resume(root, { from })), {
      message:
        `Cannot resume from "${from}": it is not a checkpoint of this run`,
    });
    assert.equal((await status(root)).status, "stopped");
  }));

Deno.test("resumeRun() of a complete run tells of a wrong setting first", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    const overrides = { set: ["model.nLayer=3"] };
    await assert.rejects(collectRun(resume(root, { overrides })), {
      message: /^Cannot change model\.nLayer from \d to 3: /,
    });
  }));

Deno.test("resumeRun() does not start anew what has lost its checkpoints", () =>
  inTempDir(async (root) => {
    await startAndStop(root, 7);
    const old = runPaths(root, "owl-1"), paths = runPaths(root, "owl-2");
    await Deno.rename(old.dir, paths.dir);
    const files = () =>
      Promise.all(
        [paths.metrics, paths.meta].map((path) => Deno.readTextFile(path)),
      );
    const before = await files();
    const again = () => collectRun(resume(root, { ref: "owl-2" }));
    await assert.rejects(again(), {
      message: `Cannot resume "owl-2": its checkpoints, of which ` +
        `step-00000007 was the last, are not in "${paths.checkpoints}"`,
    });
    assert.deepEqual(await files(), before);
    await Deno.remove(paths.state); // meta.json does not know of one
    await Deno.rename(old.checkpoints, paths.checkpoints);
    assert.equal((await again()).at(-1)?.kind, "closed");
    assert.equal((await status(root, "owl-2")).status, "completed");

    // From now on, it is known from which checkpoint the last process began.
    await Deno.remove(paths.state);
    await Deno.rename(paths.checkpoints, old.checkpoints);
    await assert.rejects(again(), { message: /^Cannot resume "owl-2": its / });
  }));

Deno.test("resumeRun() leaves a complete run so when stopped in preparation", () =>
  inTempDir(async (root) => {
    await collectRun(start(root));
    const stop = new AbortController();
    const engine: Engine = {
      ...testEngine,
      openSession: () => {
        stop.abort();
        return Promise.reject(stop.signal.reason);
      },
    };
    const { signal } = stop;
    await collectRun(resume(root, { engine, signal, more: { steps: 3 } }));
    const { status: last, step } = await status(root);
    assert.deepEqual([last, step], ["completed", 12]);
  }));

Deno.test("resumeRun() leaves the run as it was when it cannot begin", () =>
  inTempDir(async (root) => {
    await startAndStop(root, 7);
    const before = await status(root);
    const engine: Engine = {
      ...testEngine,
      openSession: ({ expectData }) =>
        Promise.reject(
          new UserError(`not ${expectData?.fingerprint}`, { hint: "" }),
        ),
    };
    await assert.rejects(collectRun(resume(root, { engine })), {
      message: "not dataset",
    });
    assert.deepEqual({ ...await status(root), updatedAt: "" }, {
      ...before,
      updatedAt: "",
    });
    await assert.rejects(collectRun(resume(root, { from: "3000" })), UserError);
    assert.equal((await status(root)).status, "stopped");
  }));

Deno.test("resumeRun() ends a run that was killed after its last save", () =>
  inTempDir(async (root) => {
    const config = {
      ...twelveSteps,
      checkpoint: { ...twelveSteps.checkpoint, best: true },
    };
    // The first is killed as the last checkpoint is reported …
    const parts = `${root}/parts`;
    for await (const event of start(parts, { config })) {
      if (event.kind === "checkpoint" && event.step === 12) break;
    }
    // … a moment before `best` would have been replaced.
    const { checkpoints } = runPaths(parts, "owl-1");
    await Deno.writeTextFile(`${checkpoints}/best`, "step-00000008\n");
    assert.equal((await status(parts)).status, "interrupted");
    await collectRun(resume(parts));

    const { status: last, step, bestValLoss } = await status(parts);
    assert.deepEqual([last, step], ["completed", 12]);
    await collectRun(start(`${root}/whole`, { config }));
    assert.deepEqual(await losses(parts), await losses(`${root}/whole`));
    assert.equal(bestValLoss, (await status(`${root}/whole`)).bestValLoss);
    assert.equal(
      await Deno.readTextFile(`${checkpoints}/best`),
      "step-00000012\n",
    );
    await assert.rejects(collectRun(resume(parts)), {
      message: 'Cannot resume "owl-1": it is complete after 12 steps',
    });
  }));

Deno.test("resumeRun() trains no further after an early stop", () =>
  inTempDir(async (root) => {
    // With this rate the loss gets worse, so one evaluation is enough.
    const config = {
      ...twelveSteps,
      train: { ...twelveSteps.train, lr: 10, earlyStopPatience: 1 },
    };
    let stoppedAt = 0;
    for await (const event of start(root, { config })) {
      if (event.kind !== "done") continue;
      assert.equal(event.reason, "earlyStop");
      stoppedAt = event.step;
      break; // killed before it could be noted
    }
    assert.ok(stoppedAt > 0 && stoppedAt < 12, `step ${stoppedAt}`);
    assert.equal((await status(root)).status, "interrupted");
    await collectRun(resume(root));
    const { status: last, step } = await status(root);
    assert.deepEqual([last, step], ["completed", stoppedAt]);
  }));
