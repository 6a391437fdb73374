/** `hearth stop`: ends a run that another process trains. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT } from "../../base/errors.ts";
import { formatCount } from "../../base/format.ts";
import type { RunState } from "../../run/files/run_state.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { LiveLine } from "../output/live_line.ts";
import { Stopped, StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addStopCommand(program: CommandUnknownOpts, app: App): void {
  program.command("stop")
    .summary("end a run that trains in another process")
    .description(
      "Let a run finish its step, save a checkpoint and end, and wait for " +
        "it. Ctrl+C ends only the waiting. With --json: the run's state as " +
        "of hearth status.",
    )
    .argument(
      "[run]",
      "id of a run, its beginning, or latest: the running one started last",
      "latest",
    )
    .option("--now", "at once: the steps since the last checkpoint are lost")
    .addHelpText("after", examples("hearth stop", "hearth stop owl-1 --now"))
    .action(async (ref, { now }) => {
      const { readRun, resolveRunning } = await import(
        "../../run/files/runs.ts"
      );
      const { stopRun } = await import("../../run/background/stop_run.ts");
      const runId = await resolveRunning(app.root, ref);
      let stopped: RunState | null;
      try {
        using line = new LiveLine(app);
        using stop = new StopSignal(app, () => {});
        stopped = await stopRun(app.root, runId, {
          now,
          onState: (state) => line.update(() => formatStopping(state)),
          signal: stop.signal,
        });
        if (now && stopped?.pid) await forgetTrials(stopped.pid);
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        app.note(`${runId} was asked to stop, and will`);
        app.exitCode = EXIT.aborted;
        return;
      }
      const state = stopped ?? (await readRun(app.root, runId)).state;
      if (app.json) return app.printJson(state);
      const how = state === null ? "" : `: ${formatEnd(state)}`;
      app.print(
        stopped === null
          ? `${runId} is not running${how}`
          : `${runId} has ended${how}`,
      );
    });
}

async function forgetTrials(pid: number): Promise<void> {
  const { forgetTrialsOf } = await import("../../backend/driver_trials.ts");
  await forgetTrialsOf(pid);
}

/** One line while it waits. */
function formatStopping({ runId, step, totalSteps }: RunState): string {
  const at = step === null
    ? "while it prepares"
    : `at step ${formatCount(step)} of ${formatCount(totalSteps)}`;
  return `stopping ${runId} ${at}`;
}

function formatEnd(state: RunState): string {
  const { status, step, totalSteps, lastCheckpoint } = state;
  if (step === null) return `${status} before training`;
  return `${status} at step ${formatCount(step)} of ` +
    `${formatCount(totalSteps)}, checkpoint ${lastCheckpoint ?? "none"}`;
}
