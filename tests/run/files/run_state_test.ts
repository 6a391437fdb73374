import assert from "node:assert/strict";
import { acquireLock } from "../../../src/run/files/lock.ts";
import { ownProcess } from "../../../src/run/process/process_info.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import {
  initialRunState,
  loadRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import { listRuns, readRun, resolveRun } from "../../../src/run/files/runs.ts";
import { initialMeta, saveMeta } from "../../../src/run/files/meta.ts";
import { inTempDir, twelveSteps } from "../_helpers.ts";

async function writeState(
  root: string,
  runId: string,
  state: Partial<RunState>,
) {
  const paths = runPaths(root, runId);
  await Deno.mkdir(paths.dir, { recursive: true });
  const whole = { ...initialRunState(runId, "running"), ...state };
  await Deno.writeTextFile(paths.state, JSON.stringify(whole));
  return paths;
}

async function writeRun(root: string, runId: string, createdAt: string) {
  const paths = await writeState(root, runId, { status: "completed" });
  const meta = initialMeta({ runId, config: twelveSteps, commandLine: [] });
  await saveMeta(paths.meta, { ...meta, createdAt });
}

Deno.test("state.json has exactly the agreed fields", () => {
  const state = initialRunState("owl-1", "queued");
  assert.deepEqual(
    Object.keys(state).join(" "),
    "version runId status pid processStartedAt alive preparing device " +
      "requestedDevice precision epoch epochs step totalSteps trainLoss valLoss bestValLoss lr gradNorm " +
      "tokensPerSec elapsedMs remainingMs etaAt tokens lastCheckpoint " +
      "warnings error telemetry updatedAt",
  );
  assert.deepEqual(
    Object.keys(state.telemetry).join(" "),
    "gpuUtilPct vramUsedBytes vramTotalBytes powerW tempC cpuPct " +
      "machineCpuPct rssBytes",
  );
});

Deno.test("loadRunState() takes no run that ends for an interrupted one", () =>
  inTempDir(async (root) => {
    const paths = await writeState(root, "owl-1", { status: "running" });
    const lock = await acquireLock(paths.lock, "owl-1");
    const { open } = Deno;
    try {
      // It ends after its state was read, and before its lock is looked at.
      Deno.open = async (...args) => {
        Deno.open = open;
        await writeState(root, "owl-1", { status: "completed" });
        await lock.release();
        return await open(...args);
      };
      const { status, alive } = (await loadRunState(paths))!;
      assert.deepEqual([status, alive], ["completed", false]);
    } finally {
      Deno.open = open;
    }
  }));

Deno.test("loadRunState() reports a run whose lock is free as interrupted", () =>
  inTempDir(async (root) => {
    // The process exists and is the right one, but it trains no more.
    const paths = await writeState(root, "owl-1", {
      ...await ownProcess(),
      alive: true,
      remainingMs: 5000,
    });
    const lock = await acquireLock(paths.lock, "owl-1");
    const during = await loadRunState(paths);
    assert.deepEqual([during?.status, during?.alive], ["running", true]);
    assert.equal(during?.remainingMs, 5000);
    await lock.release();
    const after = await loadRunState(paths);
    assert.deepEqual([after?.status, after?.alive], ["interrupted", false]);
    assert.equal(after?.remainingMs, null);
  }));

Deno.test("loadRunState() goes by the pid of who queued a run", () =>
  inTempDir(async (root) => {
    const own = await ownProcess();
    const paths = await writeState(root, "owl-1", { status: "queued", ...own });
    // The process that is to train it has made the file and locks it next.
    await Deno.writeTextFile(paths.lock, "");
    const { status, alive } = (await loadRunState(paths))!;
    assert.deepEqual([status, alive], ["queued", true]);

    const gone = { ...own, processStartedAt: "2001-02-03T04:05:06.000Z" };
    await writeState(root, "owl-1", { status: "queued", ...gone });
    assert.equal((await loadRunState(paths))?.status, "interrupted");
  }));

Deno.test("loadRunState() goes by pid and start time without a lock file", () =>
  inTempDir(async (root) => {
    const own = await ownProcess();
    const alive = await writeState(root, "owl-1", own);
    assert.equal((await loadRunState(alive))?.status, "running");
    const recycled = await writeState(root, "owl-2", {
      pid: own.pid,
      processStartedAt: "2020-01-01T00:00:00.000Z",
    });
    assert.equal((await loadRunState(recycled))?.status, "interrupted");
  }));

Deno.test("loadRunState() leaves a run that has ended as it is", () =>
  inTempDir(async (root) => {
    for (const status of ["completed", "stopped", "failed"] as const) {
      const paths = await writeState(root, status, { status, alive: true });
      const state = await loadRunState(paths);
      assert.deepEqual([state?.status, state?.alive], [status, false]);
    }
  }));

Deno.test("readRun() says what is broken", () =>
  inTempDir(async (root) => {
    const paths = runPaths(root, "owl-1");
    await Deno.mkdir(paths.dir, { recursive: true });
    await Deno.writeTextFile(paths.state, '{"runId": "owl-1"');
    const { state, meta, broken } = await readRun(root, "owl-1");
    assert.deepEqual([state, meta], [null, null]);
    assert.equal(
      broken!.replaceAll(paths.dir, "DIR"),
      'Cannot read "DIR/meta.json": there is no such file; ' +
        'Cannot read "DIR/state.json": it is not JSON',
    );
  }));

for (
  const [field, value, problem] of [
    ["step", "many", '"step": Invalid input: expected number'],
    ["warnings", [1], '"warnings.0": Invalid input: expected string'],
    ["etaAt", "soon", '"etaAt": Invalid ISO datetime'],
    ["status", "flying", '"status": Invalid option: expected one of "queued"'],
    ["telemetry", { cpuPct: [] }, '"telemetry.cpuPct": Invalid input: '],
  ] as const
) {
  Deno.test(`loadRunState() names the field ${field} if it is damaged`, () =>
    inTempDir(async (root) => {
      const paths = await writeState(root, "owl-1", { [field]: value });
      await assert.rejects(loadRunState(paths), (error: Error) => {
        const start = `Cannot read "${paths.state}": ${problem}`;
        return error.message.startsWith(start);
      });
    }));
}

Deno.test("loadRunState() calls a run by its directory", () =>
  inTempDir(async (root) => {
    const paths = await writeState(root, "owl-1", { status: "completed" });
    await Deno.rename(paths.dir, `${root}/runs/best-so-far`);
    const renamed = await loadRunState(runPaths(root, "best-so-far"));
    assert.equal(renamed?.runId, "best-so-far");
  }));

Deno.test("loadRunState() fills in what other versions do not write", () =>
  inTempDir(async (root) => {
    const paths = runPaths(root, "owl-1");
    await Deno.mkdir(paths.dir, { recursive: true });
    const updatedAt = "2026-01-02T03:04:05.000Z";
    const state = { runId: "owl-1", status: "completed", updatedAt, news: 1 };
    await Deno.writeTextFile(paths.state, JSON.stringify(state));
    assert.deepEqual(await loadRunState(paths), {
      ...initialRunState("owl-1", "completed"),
      updatedAt,
      news: 1,
    });
  }));

Deno.test("listRuns() survives a run whose sessions are damaged", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1", "2026-01-01");
    const { meta } = runPaths(root, "owl-1");
    const text = await Deno.readTextFile(meta);
    for (const sessions of ["7", "[7]", '[{"startedAt": "yesterday"}]']) {
      await Deno.writeTextFile(
        meta,
        text.replace('"sessions": []', `"sessions": ${sessions}`),
      );
      const [{ startedAt }] = await listRuns(root);
      assert.equal(startedAt, "2026-01-01", sessions);
    }
  }));

Deno.test("readRun() names the setting that makes meta.json unusable", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1", "2026-01-01");
    const { meta } = runPaths(root, "owl-1");
    const text = await Deno.readTextFile(meta);
    await Deno.writeTextFile(meta, text.replace('"nHead": 2', '"nHead": 0'));
    const { broken } = await readRun(root, "owl-1");
    assert.match(broken!, /config\.model\.nHead: .*>=1/);
  }));

Deno.test("listRuns() puts the run started last first, broken ones at the end", () =>
  inTempDir(async (root) => {
    await writeRun(root, "a", "2026-01-01");
    await writeRun(root, "b", "2026-03-01");
    await writeRun(root, "c", "2026-02-01");
    await Deno.mkdir(`${root}/runs/empty`);
    await Deno.writeTextFile(`${root}/runs/README.md`, "");
    const runs = await listRuns(root);
    assert.deepEqual(
      runs.map(({ runId, broken }) => [runId, broken !== null]),
      [["b", false], ["c", false], ["a", false], ["empty", true]],
    );
  }));

Deno.test("listRuns() is empty where nothing was ever run", () =>
  inTempDir(async (root) => {
    assert.deepEqual(await listRuns(`${root}/nowhere`), []);
  }));

Deno.test("resolveRun() finds a run by id, beginning and latest", () =>
  inTempDir(async (root) => {
    await writeRun(root, "owl-1", "2026-01-01");
    await writeRun(root, "owl-10", "2026-02-01");
    await writeRun(root, "fox-1", "2026-01-15");
    assert.equal(await resolveRun(root, "owl-1"), "owl-1");
    assert.equal(await resolveRun(root, "f"), "fox-1");
    assert.equal(await resolveRun(root, "latest"), "owl-10");
  }));

for (
  const [ref, message, hint] of [
    ["owl", 'There are 2 runs that begin with "owl"', "there are owl-1, owl-2"],
    [
      "fix-1",
      'There is no run "fix-1"',
      "there are fox-1, elk-1, owl-1, owl-2, a and 1 more; hearth runs lists " +
      "them",
    ],
    [
      "../runs/a",
      'There is no run "../runs/a"',
      "there are a, bc, elk-1, fox-1, owl-1 and 1 more; hearth runs lists them",
    ],
  ] as const
) {
  Deno.test(`resolveRun() names the runs nearest to "${ref}"`, () =>
    inTempDir(async (root) => {
      for (const runId of ["owl-1", "owl-2", "fox-1", "elk-1", "a", "bc"]) {
        await writeRun(root, runId, "2026-01-01");
      }
      await assert.rejects(resolveRun(root, ref), { message, hint });
    }));
}

Deno.test("resolveRun() says how to begin when there are no runs", () =>
  inTempDir(async (root) => {
    await assert.rejects(resolveRun(root, "latest"), {
      message: `There are no runs in "${root}/runs"`,
      hint: "start one with hearth train",
      exitCode: 2,
    });
  }));
