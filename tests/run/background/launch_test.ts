import assert from "node:assert/strict";
import type {
  DetachedProcess,
  ProcessEnd,
} from "../../../src/run/background/detached_process.ts";
import { untilTraining } from "../../../src/run/background/launch.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import { FakeRun } from "../_fake_run.ts";
import { inTempDir } from "../_helpers.ts";

/** Stands in for a process: this one, as {@linkcode FakeRun} does. */
function fakeProcess() {
  const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
  const process: DetachedProcess = { pid: Deno.pid, ended: promise };
  const end = (code: number) => resolve({ code, signal: null, output: "" });
  return { process, end };
}

Deno.test("untilTraining() returns when the state says so", () =>
  inTempDir(async (root) => {
    const { process } = fakeProcess();
    const seen: RunState[] = [];
    await using run = new FakeRun(root);
    await run.begin();
    await run.set({
      status: "preparing",
      preparing: { stage: "tokenizing", fraction: 0.25 },
    });
    let training: Promise<void> | undefined;
    const outcome = await untilTraining({
      paths: run.paths,
      process,
      onState(state) {
        if (seen.push(state) === 1) training = run.set({ status: "running" });
      },
      signal: new AbortController().signal,
    });
    await training;
    assert.deepEqual([outcome.end, outcome.state?.status], [null, "running"]);
    assert.equal(seen[0].preparing?.stage, "tokenizing");
  }));

Deno.test("untilTraining() does not take an earlier process for this one", () =>
  inTempDir(async (root) => {
    const { process, end } = fakeProcess();
    await using run = new FakeRun(root);
    await run.begin();
    await run.set({ pid: Deno.pid + 1, status: "running" });
    setTimeout(() => end(2), 250); // it has looked more than once by then
    const outcome = await untilTraining({
      paths: run.paths,
      process,
      onState: () => assert.fail("of another process"),
      signal: new AbortController().signal,
    });
    assert.deepEqual([outcome.state, outcome.end?.code], [null, 2]);
  }));

Deno.test("untilTraining() returns with the last state of what has ended", () =>
  inTempDir(async (root) => {
    const { process, end } = fakeProcess();
    await using run = new FakeRun(root);
    await run.begin();
    await run.end("completed");
    end(0);
    const outcome = await untilTraining({
      paths: run.paths,
      process,
      onState: () => {},
      signal: new AbortController().signal,
    });
    assert.deepEqual(
      [outcome.state?.status, outcome.end?.code],
      ["completed", 0],
    );
  }));

Deno.test("untilTraining() gives up at its signal", () =>
  inTempDir(async (root) => {
    const { process } = fakeProcess();
    const stop = new AbortController();
    const paths = runPaths(root, "owl-1");
    await Deno.mkdir(paths.dir, { recursive: true });
    const queued = { ...initialRunState("owl-1", "queued"), pid: Deno.pid };
    await Deno.writeTextFile(paths.state, JSON.stringify(queued));
    const waiting = untilTraining({
      paths,
      process,
      onState: () => stop.abort(new Error("enough")),
      signal: stop.signal,
    });
    await assert.rejects(waiting, /^Error: enough$/);
  }));
