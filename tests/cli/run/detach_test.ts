import assert from "node:assert/strict";
import type {
  DetachedProcess,
  ProcessEnd,
} from "../../../src/run/background/detached_process.ts";
import { type FakeSettings, run } from "../_fake_io.ts";
import { TINY, withoutTimes, Workspace } from "../_workspace.ts";

type StartAgain = NonNullable<FakeSettings["startAgain"]>;

/** Stands in for another process: the same command line, in this one. */
function inThisProcess(argv: string[]): StartAgain {
  return async ({ runId, output }) => {
    await Deno.writeTextFile(output, "");
    const child = run(argv, { detachedRun: runId });
    return {
      pid: Deno.pid,
      ended: child.then(({ code, err, out }) => (
        { code, signal: null, output: out + err }
      )),
    };
  };
}

/** A process that does nothing, until it ends. */
function idle(end: Promise<ProcessEnd>): StartAgain {
  return (): Promise<DetachedProcess> =>
    Promise.resolve({ pid: 4242, ended: end });
}

function trainArgs(workspace: Workspace, ...more: string[]): string[] {
  const dataset = workspace.path("text.txt");
  return [
    ...["--root", workspace.root, "train", "--detach", "--dataset", dataset],
    ...TINY,
    ...more,
  ];
}

/** Runs a command line whose other process is this one as well. */
async function detach(argv: string[], settings: FakeSettings = {}) {
  return await run(argv, { startAgain: inThisProcess(argv), ...settings });
}

/** Waits until the run in the background has ended. */
async function ended(workspace: Workspace, runId = "owl-1") {
  for (;;) {
    const { out } = await workspace.run(["status", runId, "--json"]);
    const state = JSON.parse(out);
    if (!state.alive) return state;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The command line is stopped by a second command line. */
const LONG = ["--steps", "100000000", "--checkpoint-every", "0"];

Deno.test("hearth train --detach returns when the run trains", async () => {
  await using workspace = await Workspace.create();
  const argv = trainArgs(workspace, ...LONG, "--eval-every", "0");
  const { code, out, err } = await detach(argv);
  assert.equal(code, 0);
  assert.equal(out, `run         owl-1, running in process ${Deno.pid}\n`);
  const text = withoutTimes(err).replaceAll(workspace.root, "ROOT");
  assert.match(
    text.replace(/^(reading data|tokenizing|preparing model)\n/gm, ""),
    /^run {5}owl-1 in ROOT\/runs\/owl-1\ndevice .*\nmodel .*\nmemory .*\ndata .*\nplan .*\n\nNext:\n {2}hearth status owl-1\n {2}hearth attach owl-1\n {2}hearth stop owl-1\n$/,
  );
  const stopped = await workspace.run(["stop"]);
  assert.equal(stopped.code, 0);
  assert.match(
    stopped.out,
    /^owl-1 has ended: stopped at step [\d,]+ of 100,000,000, checkpoint step-\d{8}\n$/,
  );
  const { status, lastCheckpoint } = await ended(workspace);
  assert.equal(status, "stopped");
  assert.match(lastCheckpoint, /^step-/);
  const { commandLine } = JSON.parse(
    await Deno.readTextFile(workspace.path("runs/owl-1/meta.json")),
  );
  assert.deepEqual(commandLine, ["hearth", ...argv]);
});

Deno.test("hearth train --detach --json prints one object", async () => {
  await using workspace = await Workspace.create();
  const argv = trainArgs(workspace, "--json", "--run-id", "bee", ...LONG);
  const { code, out, err } = await detach(argv);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(JSON.parse(out), {
    runId: "bee",
    pid: Deno.pid,
    status: "running",
    dir: workspace.path("runs/bee"),
  });
  const { out: last } = await workspace.run(["stop", "bee", "--json"]);
  assert.equal(JSON.parse(last).status, "stopped");
});

Deno.test("hearth train --detach says itself what is wrong with the settings", async () => {
  await using workspace = await Workspace.create();
  const argv = trainArgs(workspace, "--n-head", "3");
  const startAgain = () => assert.fail("nothing to start");
  const { code, err } = await run(argv, { startAgain });
  assert.equal(code, 2);
  assert.match(err, /^error: .*nHead\nhint: .*\n$/);
  assert.deepEqual(await workspace.names(), []);
});

Deno.test("hearth train --detach fails as it does without", async () => {
  await using workspace = await Workspace.create();
  const argv = trainArgs(workspace);
  await workspace.write("text.txt", "short");
  const { code, out, err } = await detach(argv);
  const plain = argv.filter((word) => word !== "--detach");
  const expected = await run(plain);
  assert.deepEqual([code, out], [2, ""]);
  assert.deepEqual(
    err.match(/^error: .*\nhint: .*\n$/m)?.[0],
    expected.err.match(/^error: .*\nhint: .*\n$/m)![0],
  );
  assert.equal(expected.code, code);
  assert.deepEqual(await workspace.names(), []);
});

Deno.test("hearth train --detach tells of a process that was killed", async () => {
  await using workspace = await Workspace.create();
  const startAgain = idle(Promise.resolve({
    code: null,
    signal: "SIGKILL",
    output: "# Fatal JavaScript out of memory\n",
  }));
  const { code, err } = await run(trainArgs(workspace), { startAgain });
  assert.equal(code, 1);
  assert.equal(
    err,
    "# Fatal JavaScript out of memory\n" +
      'error: Cannot train "owl-1": process 4242 was ended by SIGKILL\n' +
      "hint: type hearth resume owl-1 to see what goes wrong\n",
  );
});

Deno.test("hearth train --detach leaves nothing where no process starts", async () => {
  await using workspace = await Workspace.create();
  const { code } = await run(trainArgs(workspace)); // the fake's answer
  assert.equal(code, 1);
  assert.deepEqual(await workspace.names(), []);
});

Deno.test("Ctrl+C before there is another process leaves nothing", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await run(trainArgs(workspace), {
    startAgain: () => assert.fail("nothing to start"),
    onListening: (press) => press(),
  });
  assert.deepEqual([code, out, err], [3, "", "stopped, nothing was kept\n"]);
  assert.deepEqual(await workspace.names(), []);
});

Deno.test("Ctrl+C ends the waiting of hearth train --detach", async () => {
  await using workspace = await Workspace.create();
  const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
  // Says one word, so that the test can press a key.
  const startAgain: StartAgain = async ({ runId }) => {
    const path = workspace.path(`runs/${runId}/state.json`);
    const state = JSON.parse(await Deno.readTextFile(path));
    assert.equal(state.status, "queued");
    const preparing = { stage: "tokenizing", fraction: 0.5 };
    const text = JSON.stringify({ ...state, preparing });
    await Deno.writeTextFile(path, text);
    return { pid: Deno.pid, ended: promise };
  };
  const { code, out, err } = await run(trainArgs(workspace), {
    startAgain,
    onStderr: (text, press) => text === "tokenizing\n" && press(),
  });
  assert.deepEqual([code, out], [130, ""]);
  assert.equal(
    err,
    `tokenizing\nthe run goes on in process ${Deno.pid}\n\nNext:\n` +
      "  hearth status owl-1\n  hearth attach owl-1\n  hearth stop owl-1\n",
  );
  resolve({ code: 0, signal: null, output: "" });
});

Deno.test("hearth resume --detach goes on with a run", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "5"]);
  const argv = ["--root", workspace.root, "resume", "--detach"];
  const refused = await detach(argv);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /^error: Cannot resume "owl-1": it is complete/);

  const more = [...argv, "owl", "--more-steps", "4"];
  const { code, out } = await detach(more);
  assert.equal(code, 0);
  assert.match(out, /^run {9}owl-1, (running in process \d+\n$|completed at)/);
  const { status, step } = await ended(workspace);
  assert.deepEqual([status, step], ["completed", 9]);
});

Deno.test("hearth resume --detach names who trains the run already", async () => {
  await using workspace = await Workspace.create();
  await detach(trainArgs(workspace, ...LONG));
  const argv = ["--root", workspace.root, "resume", "owl-1", "--detach"];
  const { code, err } = await detach(argv);
  assert.equal(code, 1);
  assert.equal(
    err,
    `error: Cannot train "owl-1": process ${Deno.pid} is already training ` +
      "it\nhint: type hearth attach owl-1 to watch it, or hearth stop owl-1\n",
  );
  assert.equal((await workspace.run(["stop"])).code, 0);
});
