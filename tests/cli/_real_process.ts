import { fileURLToPath } from "node:url";
import { listRuns } from "../../src/run/files/runs.ts";
import { stopRun } from "../../src/run/background/stop_run.ts";
import { TINY, type Workspace } from "./_workspace.ts";

const MOD = fileURLToPath(new URL("../../mod.ts", import.meta.url));

/** What starts the program from its sources. */
export const FROM_SOURCES = ["run", "-A", "--no-check", MOD];

/** Steps that only a request or a signal ends. */
export const ENDLESS = "100000000";

/** A process that has ended. */
export interface Ended {
  pid: number;
  code: number;
  out: string;
  err: string;
}

/** Starts the program, as `deno task hearth` does. */
export function spawnHearth(
  workspace: Workspace,
  argv: string[],
  program: string[] = FROM_SOURCES,
  env: Record<string, string> = {},
): { pid: number; ended: Promise<Ended> } {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...program, "--root", workspace.root, ...argv],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", HEARTH_ROOT: "", ...env },
  }).spawn();
  const { pid } = child;
  const decoder = new TextDecoder();
  const ended = child.output().then(({ code, stdout, stderr }) => ({
    pid,
    code,
    out: decoder.decode(stdout),
    err: decoder.decode(stderr),
  }));
  return { pid, ended };
}

/** Arguments that train the tiny model on the text of the workspace. */
export function trainArgs(workspace: Workspace, ...more: string[]): string[] {
  const dataset = workspace.path("text.txt");
  return ["train", "--dataset", dataset, ...TINY, "--eval-every", "0", ...more];
}

/** Ends what a test that fails leaves running in other processes. */
export function endingRuns({ root }: Workspace): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const { runId, state } of await listRuns(root)) {
        if (!state?.alive || state.pid === Deno.pid) continue;
        await stopRun(root, runId, { now: true });
      }
    },
  };
}
