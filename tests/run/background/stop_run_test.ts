import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { UserError } from "../../../src/base/errors.ts";
import { loadCheckpoint } from "../../../src/run/checkpoints/checkpoint_list.ts";
import type { Engine } from "../../../src/run/engine.ts";
import { acquireLock } from "../../../src/run/files/lock.ts";
import {
  isAlive,
  processStartedAt,
} from "../../../src/run/process/process_info.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import {
  resumeRun,
  startQueuedRun,
  startRun,
} from "../../../src/run/runner.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import {
  listRuns,
  readRun,
  resolveRunning,
} from "../../../src/run/files/runs.ts";
import { requestStop } from "../../../src/run/files/stop_request.ts";
import {
  type StopOptions,
  stopRun,
} from "../../../src/run/background/stop_run.ts";
import { queueRun } from "../../../src/run/background/queued_run.ts";
import type { SnapshotSource } from "../../../src/train/snapshot.ts";
import { eventually } from "../_eventually.ts";
import { FakeRun } from "../_fake_run.ts";
import {
  collectRun,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "../_helpers.ts";
import { readSnapshot } from "../_snapshot.ts";

const common = { config: twelveSteps, commandLine: [], engine: testEngine };
type OpenSession = Engine["openSession"];

/** Something that happens once. */
function moment(): { came: Promise<void>; come: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { came: promise, come: resolve };
}

/** The state as it is on disk. */
async function stateOf(root: string): Promise<RunState> {
  return (await readRun(root, "owl-1")).state!;
}

/**
 * Trains a run that stays at some moment until it has been asked to stop.
 *
 * @param engineAt Calls `here` at that moment, and awaits what it returns.
 */
async function stopDuring(
  root: string,
  engineAt: (here: () => Promise<void>) => Engine,
): Promise<RunState | null> {
  const reached = moment(), asked = moment();
  const engine = engineAt(() => {
    reached.come();
    return asked.came;
  });
  const ended = collectRun(startRun({ ...common, root, engine }));
  await reached.came;
  const stopped = stopRun(root, "owl-1", {
    onState: ({ status }) => {
      if (status === "stopping") asked.come(); // the trainer knows
    },
  });
  const [events, state] = await Promise.all([ended, stopped]);
  const { kind, ...closed } = events.at(-1)!;
  assert.equal(kind, "closed");
  assert.equal("status" in closed && closed.status, "stopped");
  return state;
}

/** Resumes to the end; the result must be that of a run that never stopped. */
async function assertGoesOnExactly(root: string): Promise<void> {
  await collectRun(resumeRun({ ...common, root }));
  await collectRun(startRun({ ...common, root: `${root}/whole` }));
  const model = (of: string) =>
    Deno.readFile(
      `${of}/checkpoints/owl-1/step-00000012/model.safetensors`,
    );
  assert.deepEqual(await model(root), await model(`${root}/whole`));
}

Deno.test("stopRun() ends a run that prepares", () =>
  inTempDir(async (root) => {
    const state = await stopDuring(root, (here) => ({
      ...testEngine,
      async openSession(options: Parameters<OpenSession>[0]) {
        options.onPrepare?.({ stage: "tokenizing", fraction: 0.5 });
        await here();
        options.signal?.throwIfAborted();
        return await testEngine.openSession(options);
      },
    }));
    assert.deepEqual(
      [state?.status, state?.alive, state?.step, state?.preparing],
      ["stopped", false, null, null],
    );
    await assertGoesOnExactly(root);
  }));

Deno.test("stopRun() ends a run that evaluates, and it saves", () =>
  inTempDir(async (root) => {
    let evaluations = 0;
    const state = await stopDuring(root, (here) => ({
      ...testEngine,
      async openSession(options: Parameters<OpenSession>[0]) {
        const session = await testEngine.openSession(options);
        const { val: [{ batches: val, ...one }] } = session.dataset;
        const at: typeof val.at = async (cursor) => {
          // The first of the second evaluation, which is at step 4.
          if (cursor === 0 && ++evaluations === 2) await here();
          return await val.at(cursor);
        };
        const dataset = {
          ...session.dataset,
          val: [{ ...one, batches: { ...val, at } }],
        };
        return { ...session, dataset };
      },
    }));
    assert.deepEqual(
      [state?.status, state?.step, state?.lastCheckpoint],
      ["stopped", 4, "step-00000004"],
    );
    await assertGoesOnExactly(root);
  }));

/** A snapshot that calls `here` when one of its files is half written. */
function whenRead(
  snapshot: SnapshotSource,
  here: () => Promise<void>,
): SnapshotSource {
  const [first, second, ...rest] = snapshot.optimizer;
  const { name, shape } = second;
  const read = async () => {
    await here();
    return "data" in second ? second.data : await second.read();
  };
  return { ...snapshot, optimizer: [first, { name, shape, read }, ...rest] };
}

Deno.test("stopRun() ends a run that writes a checkpoint, which is good", () =>
  inTempDir(async (root) => {
    const state = await stopDuring(root, (here) => ({
      ...testEngine,
      train: (session, options) =>
        testEngine.train(session, {
          ...options,
          save: (snapshot, info) =>
            options!.save!(
              info.step === 6 ? whenRead(snapshot, here) : snapshot,
              info,
            ),
        }),
    }));
    // The signal comes after the loop has looked for it: one step more.
    assert.equal(state?.status, "stopped");
    assert.ok(state?.step === 6 || state?.step === 7, `step ${state?.step}`);
    const { checkpoints } = runPaths(root, "owl-1");
    const { content, warnings } = await loadCheckpoint(checkpoints, {
      read: readSnapshot,
    });
    assert.deepEqual([content.trainer.step, warnings], [state.step, []]);
    await assertGoesOnExactly(root);
  }));

Deno.test("a run neither heeds old requests to stop nor leaves them behind", () =>
  inTempDir(async (root) => {
    await collectRun(startRun({ ...common, root }));
    const { dir } = runPaths(root, "owl-1");
    // As if an earlier process of the same pid had been asked.
    await requestStop(dir, Deno.pid);
    const engine: Engine = {
      ...testEngine,
      async openSession(options) {
        await eventually(() => looks >= 2); // all of what the first comes to
        return await testEngine.openSession(options);
      },
    };
    const more = { steps: 3 };
    let looks = 0;
    const { lstat } = Deno;
    try {
      Deno.lstat = (path) => {
        if (path === `${dir}/stop-${Deno.pid}`) looks++;
        return lstat(path);
      };
      await collectRun(resumeRun({ ...common, root, more, engine }));
    } finally {
      Deno.lstat = lstat;
    }
    const { status, step } = await stateOf(root);
    assert.deepEqual([status, step], ["completed", 15]);
    assert.deepEqual(
      (await listTree(dir)).filter((name) => name.startsWith("stop-")),
      [],
    );
  }));

Deno.test("stopRun() asks again a process that has just begun", () =>
  inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    const request = `${run.paths.dir}/stop-${Deno.pid}`;
    let looks = 0;
    let last: Promise<void> | undefined;
    const state = await stopRun(root, "owl-1", {
      onState() {
        Deno.statSync(request); // is there
        // As a process does that takes it for one to another.
        if (++looks === 1) Deno.removeSync(request);
        else last ??= run.end("stopped");
      },
    });
    await last;
    assert.deepEqual([state?.status, looks >= 2], ["stopped", true]);
    assert.throws(() => Deno.statSync(request), Deno.errors.NotFound);
  }));

Deno.test("stopRun() waits for the process that trains a queued run", () =>
  inTempDir(async (root) => {
    const { runId, paths } = await queueRun({ root, ...common });
    const request = `${paths.dir}/stop-${Deno.pid}`;
    const trained = moment();
    let training: Promise<unknown> | undefined;
    const state = await stopRun(root, runId, {
      onState({ status }) {
        if (status === "queued") {
          assert.throws(() => Deno.statSync(request)); // it is not for us yet
        }
        training ??= collectRun(startQueuedRun({
          root,
          runId,
          commandLine: [],
          engine: {
            ...testEngine,
            async openSession(options) {
              trained.come();
              options.signal!.throwIfAborted();
              await new Promise((resolve) =>
                options.signal!.addEventListener("abort", resolve)
              );
              throw options.signal!.reason;
            },
          },
        }));
      },
    });
    await trained.came;
    await training;
    assert.equal(state?.status, "stopped");
  }));

Deno.test("stopRun() is null for a run that nobody trains", () =>
  inTempDir(async (root) => {
    await collectRun(startRun({ ...common, root }));
    const before = await stateOf(root);
    assert.equal(await stopRun(root, "owl-1"), null);
    assert.equal(await stopRun(root, "owl-1", { now: true }), null);
    assert.deepEqual(await stateOf(root), before);
  }));

Deno.test("stopRun() stops waiting at its signal", () =>
  inTempDir(async (root) => {
    await collectRun(startRun({ ...common, root }));
    const { lock, dir } = runPaths(root, "owl-1");
    const held = await acquireLock(lock, "owl-1"); // and never listens
    const stop = new AbortController();
    const waiting = stopRun(root, "owl-1", {
      signal: stop.signal,
      onState: () => stop.abort(new Error("enough")),
    });
    await assert.rejects(waiting, /^Error: enough$/);
    assert.ok((await listTree(dir)).includes(`stop-${Deno.pid}`));
    await held.release();
  }));

/** A process that trains up to step 8 and then hangs. */
async function spawnHanging(root: string): Promise<Deno.ChildProcess> {
  const script = new URL("../_train_until_killed.ts", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", fileURLToPath(script), root],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}

Deno.test("stopRun() with now ends a process that hangs", () =>
  inTempDir(async (root) => {
    const child = await spawnHanging(root);
    const state = await stopRun(root, "owl-1", { now: true });
    assert.equal((await child.status).success, false);
    assert.deepEqual(
      [state?.status, state?.alive, state?.lastCheckpoint],
      ["stopped", false, "step-00000006"],
    );
    assert.deepEqual(await stateOf(root), state);
    await assertGoesOnExactly(root);
  }));

/** A process that has nothing to do with Hearth. */
function spawnBystander(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "await Deno.stdin.read(new Uint8Array(1))"],
    stdin: "piped",
  }).spawn();
}

/** Makes `pid` look as if it had trained the run; see the callers. */
async function claimFor(
  root: string,
  pid: number,
  options: StopOptions & { locked: boolean },
): Promise<RunState | null> {
  const { lock, state, dir } = runPaths(root, "owl-1");
  await Deno.mkdir(dir, { recursive: true });
  const processStartedAt = "2001-02-03T04:05:06.000Z";
  await Deno.writeTextFile(
    state,
    JSON.stringify({
      ...initialRunState("owl-1", "running"),
      pid,
      processStartedAt,
    }),
  );
  const held = options.locked ? await acquireLock(lock, "owl-1") : null;
  const holder = { pid, processStartedAt, startMark: "another boot 17" };
  if (held) await Deno.writeTextFile(lock, JSON.stringify(holder));
  try {
    return await stopRun(root, "owl-1", options);
  } finally {
    await held?.release();
  }
}

Deno.test("stopRun() with now spares a later process with the pid", () =>
  inTempDir(async (root) => {
    const bystander = spawnBystander();
    const { pid } = bystander;
    const started = await processStartedAt(pid);
    assert.notEqual(started, null);
    // Where there is no lock, the start tells; and so it does if there is one.
    const now = true;
    assert.equal(await claimFor(root, pid, { now, locked: false }), null);
    if (Deno.build.os !== "windows") { // which lets nobody write a locked file
      await assert.rejects(
        claimFor(root, pid, { now, locked: true }),
        (error) =>
          error instanceof UserError &&
          error.message === `Cannot end "owl-1" at once: process ${pid} is ` +
              "not known on this machine" &&
          error.hint === "type hearth stop owl-1, which asks it to end",
      );
    }
    assert.ok(await isAlive({ pid, processStartedAt: started }));
    await bystander.stdin.close();
    await bystander.status;
  }));

Deno.test("resolveRunning() takes latest for the newest that is running", () =>
  inTempDir(async (root) => {
    await collectRun(startRun({ ...common, root, runId: "old" }));
    await collectRun(startRun({ ...common, root, runId: "new" }));
    assert.equal((await listRuns(root))[0].runId, "new");
    assert.equal(await resolveRunning(root, "latest"), "new");
    const { lock, state } = runPaths(root, "old");
    const held = await acquireLock(lock, "old");
    const running = initialRunState("old", "running");
    await Deno.writeTextFile(state, JSON.stringify(running));
    assert.equal(await resolveRunning(root, "latest"), "old");
    assert.equal(await resolveRunning(root, "ne"), "new");
    await held.release();
  }));
