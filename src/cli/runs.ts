/** `hearth runs`: all runs, the newest first. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { RunInfo } from "../run/runs.ts";
import type { App } from "./app.ts";
import { examples } from "./examples.ts";
import { formatTable } from "./table.ts";

/** Adds the command. */
export function addRunsCommand(program: CommandUnknownOpts, app: App): void {
  program.command("runs")
    .summary("list all runs")
    .description(
      "List all runs, the one started last first. With --json: an array of " +
        "objects with runId, startedAt, state, config and broken.",
    )
    .addHelpText("after", examples("hearth runs", "hearth runs --json"))
    .action(async () => {
      const { listRuns } = await import("../run/runs.ts");
      const runs = await listRuns(app.root);
      if (app.json) {
        app.printJson(runs.map(({ meta, ...run }) => ({
          ...run,
          config: meta?.config ?? null,
        })));
      } else if (runs.length > 0) {
        app.print(formatRuns(runs));
      } else {
        app.note(`no runs in "${app.root}" yet; start one with hearth train`);
      }
    });
}

/** The table of runs; pure. */
export function formatRuns(runs: readonly RunInfo[]): string {
  const loss = (value: number | null | undefined) => value?.toFixed(4) ?? "-";
  return formatTable(
    [
      ["run", "left"],
      ["status", "left"],
      ["step", "right"],
      ["train", "right"],
      ["val", "right"],
      ["best", "right"],
      ["started", "left"],
    ],
    runs.map(({ runId, state, broken, startedAt }) => [
      runId,
      broken === null ? state!.status : "broken",
      state?.step == null ? "-" : `${state.step}/${state.totalSteps}`,
      loss(state?.trainLoss),
      loss(state?.valLoss),
      loss(state?.bestValLoss),
      startedAt === null ? "-" : startedAt.slice(0, 16).replace("T", " "),
    ]),
  );
}
