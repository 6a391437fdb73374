/** `hearth status`: where a run stands. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { safeText } from "../../base/safe_text.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { formatImported, formatStatus } from "../output/status_text.ts";
import { brokenRun } from "../run/run_errors.ts";

/** Adds the command. */
export function addStatusCommand(program: CommandUnknownOpts, app: App): void {
  program.command("status")
    .summary("show where a run stands")
    .description(
      "Show where a run stands. With --watch: until it ends, redrawn in a " +
        "terminal, one line per change elsewhere; Ctrl+C ends the watching, " +
        "not the run. With --json: the run's state.json, with `alive` and " +
        "`status` as they are now; with --watch, one state per line.",
    )
    .argument("[run]", "id of a run, its beginning, or latest", "latest")
    .option("--watch", "keep showing it until the run ends")
    .addHelpText(
      "after",
      examples("hearth status owl-1 --watch", "hearth status --json"),
    )
    .action(async (ref, { watch }) => {
      const { readRun, resolveRun } = await import("../../run/files/runs.ts");
      const runId = await resolveRun(app.root, ref);
      if (watch) {
        const { watchStatus } = await import("../run/watch_status.ts");
        return await watchStatus(app, runId);
      }
      const { state, meta, broken } = await readRun(app.root, runId);
      if (state === null) throw brokenRun(runId, broken!);
      if (broken !== null) app.warn(broken);
      if (app.json) return app.printJson(state);
      const now = Date.now();
      const text = meta?.imported
        ? formatImported(state, { source: meta.imported.source, now })
        : formatStatus(state, now);
      app.print(safeText(text));
    });
}
