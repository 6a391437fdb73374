import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import {
  type DetachedProcess,
  type ProcessEnd,
  startDetached,
  untilTraining,
} from "../../../src/run/background/detach.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import { FakeRun } from "../_fake_run.ts";
import { canRun } from "../../base/_helpers.ts";
import { inTempDir } from "../_helpers.ts";

function start(output: string, code: string, env = {}) {
  const args = ["eval", code];
  return startDetached({ command: Deno.execPath(), args, env, output });
}

Deno.test("startDetached() gives a process its variables and a file", () =>
  inTempDir(async (dir) => {
    const output = `${dir}/detached.log`;
    await Deno.writeTextFile(output, "of the process before\n");
    const { pid, ended } = await start(
      output,
      `console.log(Deno.env.get("HEARTH_X"), Deno.pid);
       console.error(await Deno.stdin.read(new Uint8Array(1)));
       Deno.exit(7);`,
      { HEARTH_X: "set" },
    );
    assert.deepEqual(await ended, {
      code: 7,
      signal: null,
      output: `set ${pid}\nnull\n`,
    });
    assert.equal(await Deno.readTextFile(output), `set ${pid}\nnull\n`);
  }));

Deno.test("startDetached() says where it cannot write", () =>
  inTempDir(async (dir) => {
    const run = `${dir}/owl-1`;
    await Deno.writeTextFile(run, "no directory");
    await assert.rejects(start(`${run}/detached.log`, ""), {
      name: "UserError",
      message: `Cannot write to "${run}": a part of the path is a file`,
    });
  }));

Deno.test("startDetached() tells what was printed to a file that is gone", () =>
  inTempDir(async (dir) => {
    const output = `${dir}/detached.log`;
    const { ended } = await start(
      output,
      `console.log("last words");
       await Deno.remove(${JSON.stringify(output)});`,
    );
    assert.equal((await ended).output, "last words\n");
  }));

const hasPs = Deno.build.os !== "windows" &&
  await canRun("ps", ["-p", `${Deno.pid}`]);
if (!hasPs) console.warn("skipped: no ps here");

Deno.test({
  name: "startDetached() makes the process lead a session without a terminal",
  ignore: !hasPs, // nor has Windows sessions of this kind
  async fn() {
    await inTempDir(async (dir) => {
      const { pid, ended } = await start(
        `${dir}/detached.log`,
        "await new Promise((resolve) => setTimeout(resolve, 60_000));",
      );
      const { stdout } = await new Deno.Command("ps", {
        args: ["-o", "pgid=,tty=", "-p", `${pid}`],
      }).output();
      const [group, terminal] = new TextDecoder().decode(stdout).trim()
        .split(/\s+/);
      assert.equal(group, `${pid}`);
      assert.match(terminal, /^\?+$/);
      Deno.kill(pid, "SIGKILL");
      const { code, signal } = await ended;
      assert.deepEqual([code, signal], [null, "SIGKILL"]);
    });
  },
});

Deno.test("startDetached() says when a program cannot be started", () =>
  inTempDir((dir) =>
    assert.rejects(
      startDetached({
        command: `${dir}/nothing`,
        args: [],
        env: {},
        output: `${dir}/detached.log`,
      }),
      (error) =>
        error instanceof UserError &&
        error.message.startsWith("Cannot start a detached process: "),
    )
  ));

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
