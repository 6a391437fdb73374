import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { Engine } from "../../src/run/engine.ts";
import type { Metric } from "../../src/run/files/metrics.ts";
import type { RunEvent } from "../../src/run/run_event.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import {
  type ResumeOptions,
  resumeRun,
  type RunHost,
  type StartOptions,
  startRun,
} from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import {
  collectRun,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";
import { loadMetrics } from "./_load_metrics.ts";

function start(root: string, options: Partial<StartOptions & RunHost> = {}) {
  return startRun({
    root,
    config: twelveSteps,
    commandLine: ["hearth", "train"],
    engine: testEngine,
    ...options,
  });
}

function resume(
  root: string,
  options: Partial<ResumeOptions & RunHost> = {},
) {
  const commandLine = ["hearth", "resume"];
  return resumeRun({ root, commandLine, engine: testEngine, ...options });
}

/** Trains until `step` is done, then asks it to stop. */
async function startAndStop(
  root: string,
  step: number,
  { engine = testEngine } = {},
): Promise<RunEvent[]> {
  const stop = new AbortController();
  const events = start(root, { signal: stop.signal, engine });
  return await collectRun(events, (event) => {
    if (event.kind === "step" && event.step === step) stop.abort();
  });
}

/** Trains until `step` is done, then walks away, as a killed process does. */
async function startAndLeave(root: string, step: number): Promise<void> {
  for await (const event of start(root)) {
    if (event.kind === "step" && event.step === step) break;
  }
}

async function status(root: string, runId = "owl-1") {
  const { state, broken } = await readRun(root, runId);
  assert.equal(broken, null);
  return state!;
}

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

/** The engine, and how many of its sessions are open. */
function countingEngine(): Engine & { open: number } {
  const engine = {
    ...testEngine,
    open: 0,
    async openSession(options: Parameters<Engine["openSession"]>[0]) {
      const session = await testEngine.openSession(options);
      engine.open++;
      const dispose = async () => {
        await session.dispose();
        engine.open--;
      };
      return { ...session, dispose };
    },
  };
  return engine;
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

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
