/** `hearth resume`: a run goes on where it stopped. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { App } from "./app.ts";
import { conductRun } from "./conduct_run.ts";
import { examples } from "./examples.ts";

/** Adds the command. */
export function addResumeCommand(program: CommandUnknownOpts, app: App): void {
  program.command("resume")
    .summary("go on with a run that was stopped")
    .description(
      "Go on with a run where its newest checkpoint was saved, bit for bit " +
        "as if it had not been interrupted.",
    )
    .argument("[run]", "id of a run, its beginning, or latest", "latest")
    .option(
      "--from <checkpoint>",
      "latest, best, or a step such as 500 (default: latest)",
    )
    .addHelpText(
      "after",
      examples("hearth resume", "hearth resume owl-1 --from best"),
    )
    .action(async (ref, { from }) => {
      await conductRun(app, async (options) => {
        const { resumeRun } = await import("../run/runner.ts");
        return resumeRun({ ...options, ref, from });
      });
    });
}
