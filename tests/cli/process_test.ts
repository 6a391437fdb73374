import assert from "node:assert/strict";
import { FULL_VERSION } from "../../src/base/version.ts";
import { FROM_SOURCES } from "./_real_process.ts";
import { TINY, Workspace } from "./_workspace.ts";

/** Starts the program from its sources, as `deno task hearth` does. */
function spawn(...argv: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...FROM_SOURCES, ...argv],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", HEARTH_ROOT: "" },
  }).spawn();
}

/** Starts a training that only a signal ends. */
function spawnTraining(workspace: Workspace): Deno.ChildProcess {
  const dataset = workspace.path("text.txt");
  return spawn(
    ...["train", "--dataset", dataset, ...TINY, "--root", workspace.root],
    ...["--steps", "100000000", "--log-every", "1"],
    ...["--checkpoint-every", "0", "--eval-every", "0"],
  );
}

/** Reads stderr until a line begins with `start`; the rest is still to come. */
async function waitFor(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  start: string,
): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes(`\n${start}`)) {
    const { value, done } = await reader.read();
    assert.ok(!done, `no line begins with "${start}":\n${text}`);
    text += decoder.decode(value, { stream: true });
  }
}

/** Reads what is left, so that the process can end. */
async function drain(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  while (!(await reader.read()).done);
}

Deno.test("hearth --version is one line", async () => {
  const { code, stdout, stderr } = await spawn("--version").output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.deepEqual(
    [code, text(stdout), text(stderr)],
    [0, `hearth ${FULL_VERSION}\n`, ""],
  );
});

Deno.test("hearth exits with the code of what went wrong", async () => {
  const { code, stderr } = await spawn("train", "--n-head", "3").output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /^error: .+\nhint: .+\n$/);
});

Deno.test({
  name: "hearth train saves and exits 3 at SIGINT",
  ignore: Deno.build.os === "windows", // there, kill() ends it at once
  async fn() {
    await using workspace = await Workspace.create();
    const child = spawnTraining(workspace);
    const stderr = child.stderr.getReader();
    await waitFor(stderr, "step ");
    child.kill("SIGINT");
    const [{ code }, out] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      drain(stderr),
    ]);
    assert.equal(code, 3);
    assert.match(out, /\ncheckpoint {2}step-\d{8}\n$/);
  },
});

Deno.test("hearth train exits 0 when the reader of its output has gone", async () => {
  await using workspace = await Workspace.create();
  const child = spawnTraining(workspace);
  const stderr = child.stderr.getReader();
  await waitFor(stderr, "step ");
  await stderr.cancel();
  const [{ code }] = await Promise.all([
    child.status,
    new Response(child.stdout).text(),
  ]);
  assert.equal(code, 0);
  const { out } = await workspace.run(["status", "--json"]);
  assert.equal(JSON.parse(out).status, "stopped");
});

Deno.test({
  name: "hearth says that what it prints has no room",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const shell = '"$0" "$@" --version > /dev/full';
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", shell, Deno.execPath(), ...FROM_SOURCES],
    }).output();
    assert.equal(code, 1);
    assert.equal(
      new TextDecoder().decode(stderr),
      "error: Cannot write what is printed: the disk is full\n" +
        "hint: let it go to another place than the one after >\n",
    );
  },
});
