import assert from "node:assert/strict";
import type { Engine } from "../../src/run/engine.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { eventually } from "./_eventually.ts";
import {
  collectRun,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";
import { resume, start, startAndStop, status } from "./_runs.ts";

Deno.test("startRun() leaves a directory that tells the whole run", () =>
  inTempDir(async (root) => {
    const config = {
      ...twelveSteps,
      checkpoint: { every: 6, keep: 3, best: true },
    };
    const events = await collectRun(start(root, { config }));
    assert.deepEqual(
      events.filter(({ kind }) => kind !== "step" && kind !== "eval")
        .map(({ kind }) => kind),
      [
        "created",
        "opened",
        "start",
        ...["checkpoint", "checkpoint", "checkpoint", "checkpoint"], // 4 6 8 12
        "done",
        "closed",
      ],
    );
    const files = (await listTree(root)).filter((path) =>
      !/step-\d+\//.test(path)
    );
    assert.deepEqual(files, [
      "checkpoints",
      "checkpoints/owl-1",
      "checkpoints/owl-1/best",
      "checkpoints/owl-1/latest",
      "checkpoints/owl-1/step-00000006",
      "checkpoints/owl-1/step-00000012",
      "runs",
      "runs/owl-1",
      "runs/owl-1/lock",
      "runs/owl-1/meta.json",
      "runs/owl-1/metrics.jsonl",
      "runs/owl-1/state.json",
      "runs/owl-1/train.log",
    ]);
    const state = await status(root);
    assert.deepEqual([state.status, state.step, state.alive, state.error], [
      "completed",
      12,
      false,
      null,
    ]);
    assert.equal(state.lastCheckpoint, "step-00000012");
    const log = await Deno.readTextFile(runPaths(root, "owl-1").log);
    assert.match(log, /^run {5}owl-1 in .*\n(.*\n)*done 12\/12 \| finished/);
  }));

Deno.test("meta.json tells what was asked for and what it ran on", () =>
  inTempDir(async (root) => {
    await startAndStop(root, 5);
    await collectRun(resume(root));
    const { meta } = await readRun(root, "owl-1");
    const { createdAt: _, versions, sessions, ...rest } = meta!;
    assert.deepEqual(rest, {
      version: 1,
      runId: "owl-1",
      order: 2, // started first, resumed second
      commandLine: ["hearth", "train"],
      seed: 1337,
      device: {
        requested: "auto",
        selected: {
          backend: "reference",
          id: "reference",
          name: "plain TypeScript",
          threads: 1,
          kernels: "reference: f64 sums, for tests only",
        },
      },
      dataset: { fingerprint: "dataset" },
      tokenizer: { type: "byte", vocabSize: 11, fingerprint: "tokenizer" },
      parameterCount: 1024,
      totalSteps: 12,
      stepsPerEpoch: 5,
      config: twelveSteps,
    });
    assert.deepEqual(Object.keys(versions), ["hearth", "deno", "v8"]);
    assert.deepEqual(
      sessions.map(({ checkpoint, fromStep, commandLine }) => ({
        checkpoint,
        fromStep,
        command: commandLine[1],
      })),
      [
        { checkpoint: null, fromStep: 0, command: "train" },
        { checkpoint: "step-00000005", fromStep: 5, command: "resume" },
      ],
    );
  }));

Deno.test("state.json follows the life cycle while the run goes on", () =>
  inTempDir(async (root) => {
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const event of start(root, { signal: stop.signal })) {
      // The file is written beside the training, so it may take a moment.
      const awaited = event.kind === "created"
        ? "preparing"
        : event.kind === "opened"
        ? "running"
        : event.kind === "step" && event.step === 7
        ? "stopping"
        : null;
      if (awaited === null) continue;
      if (awaited === "stopping") stop.abort();
      await eventually(async () => (await status(root)).status === awaited);
      const { alive, pid } = await status(root);
      assert.deepEqual([alive, pid], [true, Deno.pid]);
      seen.push(awaited);
    }
    assert.deepEqual(seen, ["preparing", "running", "stopping"]);
    const { status: last, alive, step } = await status(root);
    assert.deepEqual([last, alive, step], ["stopped", false, 7]);
  }));

Deno.test("startRun() stopped while it prepares can be resumed", () =>
  inTempDir(async (root) => {
    const stop = new AbortController();
    const engine: Engine = {
      ...testEngine,
      openSession: ({ signal }) => {
        stop.abort();
        return Promise.reject(signal!.reason);
      },
    };
    const events = await collectRun(
      start(root, { engine, signal: stop.signal }),
    );
    assert.deepEqual(events.at(-1), {
      kind: "closed",
      runId: "owl-1",
      status: "stopped",
      lastCheckpoint: null,
    });
    assert.equal((await status(root)).status, "stopped");
    await collectRun(resume(root));
    assert.equal((await status(root)).step, 12);
  }));

Deno.test("a run that is being trained can be neither started nor resumed", () =>
  inTempDir(async (root) => {
    for await (const event of start(root)) {
      if (event.kind !== "start") continue;
      await assert.rejects(collectRun(resume(root)), {
        message: 'Cannot train "owl-1": process ' +
          `${Deno.pid} is already training it`,
      });
      await assert.rejects(collectRun(start(root, { runId: "owl-1" })), {
        message: 'Cannot start "owl-1": a run of that name exists',
      });
      assert.equal((await status(root)).alive, true);
    }
    assert.equal((await status(root)).status, "completed");
  }));
