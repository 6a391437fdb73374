/** `hearth rm`: runs that are no longer wanted. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { RemovableRun } from "../../run/remove_run.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";

/** Adds the command. */
export function addRmCommand(program: CommandUnknownOpts, app: App): void {
  program.command("rm")
    .summary("remove runs and their checkpoints")
    .description(
      "Remove runs with everything that belongs to them: settings, metrics, " +
        "logs and checkpoints. Asks before. A run that trains has to be " +
        "stopped first. With --json: what was removed, as one object.",
    )
    .argument("<run...>", "whole ids of runs")
    .option("--yes", "do not ask")
    .option("--force", "also models that the adapters of other runs belong to")
    .addHelpText(
      "after",
      examples("hearth rm owl-1", "hearth rm owl-1 fox-2 --yes"),
    )
    .action(async (runIds, { yes, force }) => {
      const { findRemovable, removeRun } = await import(
        "../../run/remove_run.ts"
      );
      // All of them before the first is removed.
      const runs: RemovableRun[] = [];
      for (const runId of new Set(runIds)) {
        runs.push(
          await findRemovable(app.root, runId, { also: runIds, force }),
        );
      }
      if (!yes && !await agreed(app, runs)) {
        return app.note("nothing was removed");
      }
      for (const { runId, sizeBytes } of runs) {
        await removeRun(app.root, runId);
        if (app.json) continue;
        app.print(`${runId} is removed, ${formatBytes(sizeBytes)} freed`);
      }
      if (app.json) {
        app.printJson({
          removed: runs,
          sizeBytes: runs.reduce((sum, run) => sum + run.sizeBytes, 0),
        });
      }
    });
}

async function agreed(app: App, runs: RemovableRun[]): Promise<boolean> {
  const names = runs.map(({ runId }) => runId);
  if (!app.io.stdinIsTty || !app.io.stderr.isTty || app.json) {
    throw new UserError(
      `Cannot ask whether to remove ${names.join(", ")}: there is no terminal`,
      { hint: "add --yes to remove without asking", exitCode: EXIT.usage },
    );
  }
  const sized = runs.map(({ runId, sizeBytes }) =>
    `${runId} (${formatBytes(sizeBytes)})`
  );
  return await app.io.confirm(`Remove ${sized.join(", ")} for good?`);
}
