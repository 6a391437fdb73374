/**
 * Runs of several processes in one root: none gets into another's way.
 */

import assert from "node:assert/strict";
import type { RunState } from "../../src/run/files/run_state.ts";
import { listRunIds } from "../../src/run/files/runs.ts";
import {
  type Ended,
  endingRuns,
  ENDLESS,
  spawnHearth,
  trainArgs,
} from "./_real_process.ts";
import { Workspace } from "./_workspace.ts";

async function stateOf(workspace: Workspace, run: string): Promise<RunState> {
  const { out } = await workspace.run(["status", run, "--json"]);
  return JSON.parse(out);
}

/** Waits for a later state; the process that is to write it must live. */
async function stateOnce(
  workspace: Workspace,
  condition: (state: RunState) => boolean,
  isGone = ({ alive }: RunState) => !alive,
): Promise<RunState> {
  for (;;) {
    const now = await stateOf(workspace, "owl-1");
    if (condition(now)) return now;
    assert.ok(!isGone(now), `${now.status} at step ${now.step}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("ten runs that start at once have ten names and the same result", async () => {
  await using workspace = await Workspace.create();
  await using _ended = endingRuns(workspace);
  const started = Array.from(
    { length: 10 },
    () => spawnHearth(workspace, trainArgs(workspace, "--steps", "20")),
  );
  const ended = await Promise.all(started.map(({ ended }) => ended));
  assert.deepEqual(ended.map(({ code }) => code), Array(10).fill(0));
  const runIds = await listRunIds(workspace.root);
  assert.equal(runIds.length, 10);
  const models = await Promise.all(
    runIds.map((runId) =>
      Deno.readFile(workspace.path(
        `checkpoints/${runId}/step-00000020/model.safetensors`,
      ))
    ),
  );
  for (const model of models) assert.deepEqual(model, models[0]);
  // Every process has printed the name of its own.
  const printed = ended.map(({ out }) => /^run +(\S+),/.exec(out)?.[1]);
  assert.deepEqual(printed.sort(), runIds.sort());
});

Deno.test("of two that resume a run, one trains and the other says who", async () => {
  await using workspace = await Workspace.create();
  await using _ended = endingRuns(workspace);
  await workspace.train(["--steps", "5"]);
  const argv = ["resume", "owl-1", "--more-steps", ENDLESS];
  const both = [spawnHearth(workspace, argv), spawnHearth(workspace, argv)];
  const loser: Ended = await Promise.race(both.map(({ ended }) => ended));
  const winner = both.find(({ pid }) => pid !== loser.pid)!;
  assert.deepEqual([loser.code, loser.err], [
    1,
    `error: Cannot train "owl-1": process ${winner.pid} is already training ` +
    "it\nhint: type deno task hearth attach owl-1 to watch it, or deno task " +
    "hearth stop owl-1\n",
  ]);
  let isOver = false;
  winner.ended.then(() => isOver = true);
  // Until the winner has written a state, there is that of the first five.
  await stateOnce(workspace, ({ step }) => step! > 5, () => isOver);
  assert.equal((await workspace.run(["stop", "owl-1"])).code, 0);
  assert.equal((await winner.ended).code, 3);
});

Deno.test("hearth stop --now blames no driver for the end of a run", async () => {
  await using workspace = await Workspace.create();
  await using _ended = endingRuns(workspace);
  const argv = trainArgs(workspace, "--steps", ENDLESS, "--detach", "--json");
  const { out } = await spawnHearth(workspace, argv).ended;
  const { pid } = JSON.parse(out);
  // As if it were compiling for a card.
  const trial = JSON.stringify({
    ...{ pid, doing: "was compiling kernels", earlier: 0 },
    ...{ host: Deno.hostname(), bootId: null },
  });
  const folder = workspace.path("cache/hearth");
  await Deno.mkdir(folder, { recursive: true });
  await workspace.write("cache/hearth/trial-00000001.json", trial);
  const stop = ["stop", "owl-1", "--now"];
  const env = { XDG_CACHE_HOME: workspace.path("cache") };
  const { code } = await spawnHearth(workspace, stop, undefined, env).ended;
  assert.equal(code, 0);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
});

Deno.test({
  name: "a detached run heeds no hang-up, and SIGTERM as Ctrl+C",
  ignore: Deno.build.os === "windows", // it has neither
  async fn() {
    await using workspace = await Workspace.create();
    await using _ended = endingRuns(workspace);
    const argv = trainArgs(workspace, "--steps", ENDLESS, "--detach", "--json");
    const { code, out, err } = await spawnHearth(workspace, argv).ended;
    assert.deepEqual([code, err], [0, ""]);
    const { pid, status } = JSON.parse(out);
    assert.equal(status, "running");
    const before = await stateOf(workspace, "owl-1");
    assert.equal(before.pid, pid);
    Deno.kill(pid, "SIGHUP");
    Deno.kill(pid, "SIGHUP");
    await stateOnce(
      workspace,
      ({ step, status }) => status === "running" && step! > before.step! + 100,
    );
    Deno.kill(pid, "SIGTERM");
    const last = await stateOnce(workspace, ({ alive }) => !alive);
    assert.equal(last.status, "stopped");
    assert.match(last.lastCheckpoint!, /^step-\d{8}$/);
  },
});
