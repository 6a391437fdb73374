/** What a run leaves behind when something goes wrong. */

import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { Engine } from "../../src/run/engine.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { collectRun, inTempDir, listTree, testEngine } from "./_helpers.ts";
import {
  countingEngine,
  resume,
  start,
  startAndStop,
  status,
} from "./_runs.ts";

Deno.test("startRun() leaves nothing behind when the input is wrong", () =>
  inTempDir(async (root) => {
    const engine: Engine = {
      ...testEngine,
      openSession: () =>
        Promise.reject(new UserError("too short", { hint: "", exitCode: 2 })),
    };
    await assert.rejects(collectRun(start(`${root}/new`, { engine })), {
      message: "too short",
    });
    assert.deepEqual(await listTree(root), []);
  }));

Deno.test("startRun() keeps what it knows of a failure that is ours", () =>
  inTempDir(async (root) => {
    const engine: Engine = {
      ...testEngine,
      openSession: () => Promise.reject(new TypeError("no such thing")),
    };
    await assert.rejects(collectRun(start(root, { engine })), TypeError);
    const { status: last, error } = await status(root);
    assert.deepEqual([last, error], ["failed", "no such thing"]);
  }));

Deno.test("a failure while training is kept in state and log", () =>
  inTempDir(async (root) => {
    const engine: Engine & { open: number } = countingEngine();
    engine.train = async function* (session, options) {
      for await (const event of testEngine.train(session, options)) {
        yield event;
        if (event.kind === "step" && event.step === 5) {
          throw new UserError("loss is NaN", { hint: "smaller lr" });
        }
      }
    };
    await assert.rejects(collectRun(start(root, { engine })), {
      message: "loss is NaN",
    });
    const { status: last, error, alive, step } = await status(root);
    assert.deepEqual([last, error, alive, step], [
      "failed",
      "loss is NaN",
      false,
      5,
    ]);
    assert.equal(engine.open, 0);
    const log = await Deno.readTextFile(runPaths(root, "owl-1").log);
    assert.ok(log.endsWith("\nerror: loss is NaN\n"));
    // The lock is free, and the checkpoint of step 3 is there.
    await collectRun(resume(root));
    assert.equal((await status(root)).status, "completed");
  }));

Deno.test("a consumer that stops iterating frees everything", () =>
  inTempDir(async (root) => {
    for (const kind of ["created", "opened", "start", "checkpoint"] as const) {
      const engine = countingEngine();
      const here = `${root}/${kind}`;
      for await (const event of start(here, { engine })) {
        if (event.kind === kind) break;
      }
      assert.equal(engine.open, 0);
      assert.equal((await status(here)).status, "interrupted");
      await collectRun(resume(here));
      assert.equal((await status(here)).status, "completed");
    }
  }));

Deno.test({
  name: "a run goes on, warning once, when the disk refuses its files",
  ignore: Deno.build.os !== "linux", // it has a device that is always full
  fn: () =>
    inTempDir(async (root) => {
      const { metrics, log } = runPaths(root, "owl-1");
      const events = await collectRun(start(root), (event) => {
        if (event.kind !== "created") return;
        Deno.symlinkSync("/dev/full", metrics);
        Deno.symlinkSync("/dev/full", log);
      });
      assert.deepEqual(
        events.filter((event) => event.kind === "warning")
          .map(({ message }) => message),
        [
          "Cannot write train.log, training goes on: the disk is full",
          "Cannot write metrics.jsonl, training goes on: the disk is full",
        ],
      );
      assert.equal((await status(root)).status, "completed");
    }),
});

Deno.test("a save that fails is a warning, and the next one is tried", () =>
  inTempDir(async (root) => {
    const { checkpoints } = runPaths(root, "owl-1");
    const events = await collectRun(start(root), (event) => {
      if (event.kind === "opened") {
        Deno.mkdirSync(`${root}/checkpoints`);
        Deno.writeTextFileSync(checkpoints, "in the way");
      }
      if (event.kind === "warning") Deno.removeSync(checkpoints);
    });
    const outcomes = events.flatMap((event) =>
      event.kind === "warning" || event.kind === "checkpoint"
        ? [`${event.kind} ${event.step}`]
        : []
    );
    assert.deepEqual(outcomes, [
      "warning 3",
      "checkpoint 6",
      "checkpoint 9",
      "checkpoint 12",
    ]);
  }));

Deno.test("a half-written file is removed before the run writes, not later", () =>
  inTempDir(async (root) => {
    const half = `${runPaths(root, "owl-1").dir}/state.json.tmp-1`;
    const exists = () => Deno.stat(half).then(() => true, () => false);
    const engine: Engine = {
      ...testEngine,
      openSession: async (options) => {
        assert.equal(await exists(), false);
        // By now it could be one that the timer is in the middle of.
        await Deno.writeTextFile(half, "{");
        return await testEngine.openSession(options);
      },
    };
    await startAndStop(root, 5, { engine });
    assert.equal(await exists(), true);
    await collectRun(resume(root, { engine }));
  }));
