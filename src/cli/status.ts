/** `hearth status`: where a run stands. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { UserError } from "../base/errors.ts";
import {
  formatCount,
  formatDuration,
  UNKNOWN as unknown,
} from "../base/format.ts";
import type { RunState } from "../run/run_state.ts";
import type { App } from "./app.ts";
import { examples } from "./examples.ts";
import { formatFields } from "./table.ts";

/** So that a run in trouble still fits the screen; train.log has them all. */
const SHOWN_WARNINGS = 3;

/** Adds the command. */
export function addStatusCommand(program: CommandUnknownOpts, app: App): void {
  program.command("status")
    .summary("show where a run stands")
    .description(
      "Show where a run stands. With --json: the run's state.json, with " +
        "`alive` and `status` as they are now.",
    )
    .argument("[run]", "id of a run, its beginning, or latest", "latest")
    .addHelpText(
      "after",
      examples("hearth status", "hearth status owl-1 --json"),
    )
    .action(async (run) => {
      const { readRun, resolveRun } = await import("../run/runs.ts");
      const { state, broken } = await readRun(
        app.root,
        await resolveRun(app.root, run),
      );
      if (state === null) {
        throw new UserError(broken!, { hint: "hearth runs lists all runs" });
      }
      if (app.json) app.printJson(state);
      else app.print(formatStatus(state));
    });
}

/** The state as lines of text; pure. */
export function formatStatus(state: RunState): string {
  const { step, totalSteps, epoch, epochs } = state;
  const loss = (value: number | null) => value?.toFixed(4) ?? unknown;
  const left = state.alive
    ? `, ${formatDuration(state.remainingMs)} left (ETA ${
      state.etaAt ?? unknown
    })`
    : "";
  return formatFields([
    ["run", state.runId],
    ["status", state.status + (state.alive ? `, process ${state.pid}` : "")],
    ["device", `${state.device ?? unknown}, ${state.precision ?? unknown}`],
    [
      "progress",
      `step ${formatCount(step)} of ${formatCount(totalSteps)}, epoch ` +
      `${epoch?.toFixed(2) ?? unknown} of ${epochs?.toFixed(2) ?? unknown}`,
    ],
    [
      "loss",
      `train ${loss(state.trainLoss)}, val ${loss(state.valLoss)} ` +
      `(best ${loss(state.bestValLoss)})`,
    ],
    [
      "speed",
      `${formatCount(state.tokensPerSec)} tok/s, ` +
      `${formatCount(state.tokens)} tokens so far`,
    ],
    ["time", `${formatDuration(state.elapsedMs)} trained${left}`],
    ["checkpoint", state.lastCheckpoint ?? "none"],
    ...warningsOf(state),
    ...state.error === null ? [] : [["error", state.error] as const],
  ]);
}

/** The newest warnings, and how many there are before them. */
function warningsOf({ warnings }: RunState): [name: string, text: string][] {
  const before = warnings.length - SHOWN_WARNINGS;
  return [
    ...before > 0 ? [["warnings", `${before} more`] as [string, string]] : [],
    ...warnings.slice(-SHOWN_WARNINGS)
      .map((text): [string, string] => ["warning", text]),
  ];
}
