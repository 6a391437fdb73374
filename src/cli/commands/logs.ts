/** `hearth logs`: what a run would have shown on its console. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { safeJson, safeText } from "../../base/safe_text.ts";
import type { RunStatus } from "../../run/files/run_state.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { removedRun } from "../run/run_errors.ts";
import { noteRunning } from "../run/run_outcome.ts";
import { StopSignal } from "../stop_signal.ts";

const DEFAULT_LINES = 20;

/** Adds the command. */
export function addLogsCommand(program: CommandUnknownOpts, app: App): void {
  program.command("logs")
    .summary("print what a run has logged")
    .description(
      "Print the last lines of a run's train.log. With --follow, go on with " +
        "new lines until the run ends; Ctrl+C ends the printing, not the " +
        "run. With --json: one object per line.",
    )
    .argument("[run]", "id of a run, its beginning, or latest", "latest")
    .option("-f, --follow", "go on with new lines until the run ends")
    .option(
      "-n, --lines <n>",
      `how many of the last lines (default: ${DEFAULT_LINES})`,
      countFlag("--lines", 0),
    )
    .addHelpText(
      "after",
      examples("hearth logs -f", "hearth logs owl-1 -n 100"),
    )
    .action(async (ref, { follow, lines: lastLines = DEFAULT_LINES }) => {
      const { resolveRun } = await import("../../run/files/runs.ts");
      const runId = await resolveRun(app.root, ref);
      if (follow) await followLog(app, { runId, lastLines });
      else await printLog(app, { runId, lastLines });
    });
}

/** Which part of whose log. */
interface LogRange {
  runId: string;
  lastLines: number;
}

async function printLog(app: App, { runId, lastLines }: LogRange) {
  const { runPaths } = await import("../../run/files/run_paths.ts");
  const { readRun } = await import("../../run/files/runs.ts");
  const { TailFile } = await import("../../run/files/tail_file.ts");
  const paths = runPaths(app.root, runId);
  const log = new TailFile(paths.log, { lastLines });
  let isEmpty = true;
  const print = (lines: string[]) => {
    if (lines.length > 0) isEmpty = false;
    printLines(app, lines);
  };
  for (;;) {
    const chunk = await log.read();
    if (chunk === null) break;
    print(chunk.lines);
  }
  const torn = await log.rest();
  if (torn !== "" && lastLines > 0) print([torn]);
  if (isEmpty && lastLines > 0) app.note(`${runId} has logged nothing yet`);
  const { state } = await readRun(app.root, runId);
  if (state?.status === "completed" || state?.status === "stopped") return;
  // Usually empty: what a process in the background could not log.
  const printed = await Deno.stat(paths.output).catch(() => null);
  if (printed?.size) app.note(`its process also wrote to "${paths.output}"`);
}

async function followLog(app: App, { runId, lastLines }: LogRange) {
  const { followRun } = await import("../../run/watch/follow_run.ts");
  using stop = new StopSignal(app, () => {});
  const { signal } = stop;
  let status: RunStatus | null = null;
  const options = { signal, lastLogLines: lastLines };
  for await (const event of followRun(app.root, runId, options)) {
    if (event.kind === "log") printLines(app, event.lines);
    else if (event.kind === "state") status = event.state.status;
    else if (event.kind === "damaged") app.warn(safeText(event.message));
    else if (event.kind === "removed") throw removedRun(runId);
  }
  if (signal.aborted) {
    app.note(`${runId} goes on`);
    noteRunning(app, runId);
  } else if (status !== null) {
    app.note(`${runId}: ${status}`);
  }
}

/** In one write, as there may be very many. */
function printLines(app: App, lines: string[]): void {
  const text = (line: string) => app.json ? safeJson({ line }) : safeText(line);
  app.io.stdout.write(lines.map((line) => `${text(line)}\n`).join(""));
}
