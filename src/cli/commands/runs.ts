/** `hearth runs`: all runs, the one started last first. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { formatBytes, formatDuration } from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import { formatAge } from "../../base/when.ts";
import type { RunInfo } from "../../run/files/runs.ts";
import { memoryInUse, NO_TELEMETRY } from "../../run/telemetry/telemetry.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { type Column, formatTable } from "../output/table.ts";

/** Adds the command. */
export function addRunsCommand(program: CommandUnknownOpts, app: App): void {
  program.command("runs")
    .summary("list all runs")
    .description(
      "List all runs, the one started last first; in a narrow terminal, only " +
        "the columns that fit. With --json: an array of objects with runId, " +
        "startedAt, state, config and broken.",
    )
    .addHelpText("after", examples("hearth runs", "hearth runs --json"))
    .action(async () => {
      const { listRuns } = await import("../../run/files/runs.ts");
      const runs = await listRuns(app.root);
      if (app.json) {
        app.printJson(runs.map(({ meta, ...run }) => ({
          ...run,
          config: meta?.config ?? null,
        })));
      } else if (runs.length > 0) {
        const { tableWidth: width } = app;
        app.print(safeText(formatRuns(runs, { now: Date.now(), width })));
      } else {
        app.note(`no runs in "${app.root}" yet; start one with hearth train`);
      }
    });
}

const COLUMNS: readonly Column[] = [
  ["run", "left"],
  ["status", "left"],
  ["epoch", "right", 4],
  ["step", "right", 0],
  ["loss", "right", 2],
  ["val loss", "right", 1],
  ["device", "left", 6],
  ["GPU %", "right", 7],
  ["memory", "right", 8],
  ["ETA", "right", 3],
  ["started", "right", 5],
];

/** The table of runs, and below it what is wrong with broken ones; pure. */
export function formatRuns(
  runs: readonly RunInfo[],
  { now, width }: { now: number; width: number },
): string {
  const table = formatTable(
    COLUMNS,
    runs.map((run) => cells(run, now)),
    width,
  );
  const problems = runs.flatMap(({ runId, broken }) =>
    broken === null ? [] : [`! ${runId}: ${broken}`]
  );
  return [table, ...problems.length > 0 ? ["", ...problems] : []].join("\n");
}

function cells(
  { runId, meta, state, startedAt, broken }: RunInfo,
  now: number,
): string[] {
  const none = "-";
  const status = meta?.imported ? "imported" : state?.status;
  const loss = (value: number | null | undefined) => value?.toFixed(4) ?? none;
  const memory = memoryInUse(state?.telemetry ?? NO_TELEMETRY);
  return [
    runId,
    state === null ? "broken" : status + (broken === null ? "" : " !"),
    state?.epoch?.toFixed(2) ?? none,
    state?.step == null || meta?.imported
      ? none
      : `${state.step}/${state.totalSteps ?? "?"}`,
    loss(state?.trainLoss),
    loss(state?.valLoss),
    state?.device?.split(": ", 1)[0] ?? none, // without its name
    state?.telemetry.gpuUtilPct?.toFixed(0) ?? none,
    memory === null ? none : formatBytes(memory),
    state?.alive ? formatDuration(state.remainingMs) : none,
    startedAt === null ? none : formatAge(startedAt, now),
  ];
}
