/**
 * Runs that outlive what started them: real processes, a real terminal.
 */

import assert from "node:assert/strict";
import { canRun } from "../base/_helpers.ts";
import "../base/_no_proxy.ts";
import type { RunState } from "../../src/run/files/run_state.ts";
import {
  endingRuns,
  ENDLESS,
  FROM_SOURCES,
  spawnHearth,
  trainArgs,
} from "./_real_process.ts";
import { TEXT, TINY, Workspace } from "./_workspace.ts";

/** util-linux's: BSD's takes other flags, Windows has none. */
const hasScript = Deno.build.os === "linux" &&
  await canRun("script", ["--version"]);

async function state(workspace: Workspace): Promise<RunState> {
  const { out } = await workspace.run(["status", "owl-1", "--json"]);
  return JSON.parse(out);
}

/** Waits for a later state; the process that writes it must live. */
async function stateOnce(
  workspace: Workspace,
  condition: (state: RunState) => boolean,
): Promise<RunState> {
  for (;;) {
    const now = await state(workspace);
    if (condition(now)) return now;
    assert.ok(now.alive, `${now.status} at step ${now.step}`);
    await pause();
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A shell in a terminal of its own; what it prints can be waited for. */
class Terminal {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor() {
    this.#child = new Deno.Command("script", {
      args: ["-q", "-f", "-c", "sh -i", "/dev/null"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { PS1: "$ ", NO_COLOR: "1", HEARTH_ROOT: "" },
    }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  async type(line: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${line}\n`));
    writer.releaseLock();
  }

  /** Reads until `pattern` is there. */
  async wait(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found) return found;
      const { value, done } = await this.#reader.read();
      assert.ok(!done, `no ${pattern} in:\n${this.#text}`);
      this.#text += value;
    }
  }

  /** As if its window was closed: everything in it gets a hang-up. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#reader.cancel();
    await this.#child.stdin.abort().catch(() => {}); // the pipe is gone
    await this.#child.status;
  }
}

const quoted = (args: string[]) => args.map((arg) => `'${arg}'`).join(" ");

Deno.test({
  name: hasScript
    ? "hearth train --detach outlives its shell and its terminal"
    : "SKIPPED, there is no script(1): a closed terminal",
  ignore: !hasScript,
  async fn() {
    await using workspace = await Workspace.create();
    await using _ended = endingRuns(workspace);
    const terminal = new Terminal();
    const command = [
      ...[Deno.execPath(), ...FROM_SOURCES, "--root", workspace.root],
      ...trainArgs(workspace, "--steps", ENDLESS, "--detach"),
    ];
    await terminal.type("echo shell=$$");
    const shell = Number((await terminal.wait(/shell=(\d+)/))[1]);
    await terminal.type(quoted(command));
    const [, pid] = await terminal.wait(/owl-1, running in process (\d+)/);
    await terminal.wait(/hearth stop owl-1/);

    // First the shell, without a chance to say good-bye; then the window.
    Deno.kill(shell, "SIGKILL");
    await terminal.close();
    const closed = await state(workspace);
    assert.deepEqual(
      [closed.status, closed.alive, `${closed.pid}`],
      ["running", true, pid],
    );
    await stateOnce(workspace, ({ step }) => step! > closed.step!);
    assert.equal((await workspace.run(["stop", "owl-1"])).code, 0);
    const last = await state(workspace);
    assert.deepEqual([last.status, `${last.pid}`], ["stopped", pid]);
    assert.match(last.lastCheckpoint!, /^step-\d{8}$/);
    const output = workspace.path("runs/owl-1/detached.log");
    assert.equal(await Deno.readTextFile(output), "");
  },
});

Deno.test("hearth train --detach outlives the process that waits for it", async () => {
  await using workspace = await Workspace.create();
  await using _ended = endingRuns(workspace);
  // The text comes when nobody waits for the run any more.
  const asked = Promise.withResolvers<void>();
  const alone = Promise.withResolvers<void>();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async () => {
      asked.resolve();
      await alone.promise;
      return new Response(TEXT);
    },
  );
  const dataset = `http://127.0.0.1:${server.addr.port}/text.txt`;
  const argv = ["train", "--dataset", dataset, ...TINY, "--eval-every", "0"];
  const waiting = spawnHearth(workspace, [
    ...argv,
    "--steps",
    "20",
    "--detach",
  ]);
  try {
    await Promise.race([asked.promise, waiting.ended]);
    const { status, alive, pid } = await state(workspace);
    assert.deepEqual([status, alive], ["preparing", true]);
    assert.notEqual(pid, waiting.pid);
    Deno.kill(waiting.pid, "SIGKILL");
    assert.notEqual((await waiting.ended).code, 0);
    alone.resolve();
    const last = await stateOnce(workspace, ({ alive }) => !alive);
    const { status: how, step } = last;
    assert.deepEqual([last.pid, how, step], [pid, "completed", 20]);
  } finally {
    alone.resolve();
  }
});
