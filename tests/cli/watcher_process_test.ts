/**
 * Commands that watch a run, as real processes with real signals.
 */

import assert from "node:assert/strict";
import { loadRunState } from "../../src/run/files/run_state.ts";
import { FakeRun } from "../run/_fake_run.ts";
import { FROM_SOURCES } from "./_real_process.ts";
import { Workspace } from "./_workspace.ts";

for (
  const [argv, stream] of [
    [["attach"], "stderr"],
    [["logs", "--follow"], "stdout"],
    [["status", "--watch"], "stdout"],
  ] as const
) {
  Deno.test({
    name: `hearth ${argv.join(" ")} exits 0 at SIGINT, and the run goes on`,
    ignore: Deno.build.os === "windows", // it has no such signals
    async fn() {
      await using workspace = await Workspace.create();
      await using run = new FakeRun(workspace.root);
      await run.begin();
      await run.append("log", "one\n");
      await using child = new Deno.Command(Deno.execPath(), {
        args: [...FROM_SOURCES, "--root", workspace.root, ...argv],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        env: { NO_COLOR: "1", HEARTH_ROOT: "" },
      }).spawn();
      const other = stream === "stdout" ? child.stderr : child.stdout;
      const reader = child[stream].getReader();
      assert.equal((await reader.read()).done, false); // it watches by now
      child.kill("SIGINT");
      while (!(await reader.read()).done);
      await other.cancel();
      assert.equal((await child.status).code, 0);
      assert.equal((await loadRunState(run.paths))?.status, "running");
    },
  });
}
