/** `hearth compare`: several runs side by side. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { safeText } from "../../base/safe_text.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";

/** Adds the command. */
export function addCompareCommand(program: CommandUnknownOpts, app: App): void {
  program.command("compare")
    .summary("show runs side by side")
    .description(
      "Show runs side by side: what came of them, the settings in which they " +
        "differ, and their validation loss at the same steps, or at the same " +
        "number of tokens where steps differ in size. With --json: one " +
        "object with all of it.",
    )
    .argument("<run...>", "ids of two or more runs, or their beginnings")
    .addHelpText(
      "after",
      examples("hearth compare owl-1 fox-1", "hearth compare owl-1 latest"),
    )
    .action(async (refs) => {
      const { compareRuns } = await import("../../run/watch/comparison.ts");
      const runIds = await distinctRuns(app.root, refs);
      const comparison = await compareRuns(app.root, runIds);
      if (app.json) return app.printJson(comparison);
      const { formatComparison } = await import("../output/compare_text.ts");
      app.print(safeText(formatComparison(comparison, app.tableWidth)));
    });
}

async function distinctRuns(
  root: string,
  refs: readonly string[],
): Promise<string[]> {
  const { resolveRun } = await import("../../run/files/runs.ts");
  const runIds: string[] = [];
  for (const ref of refs) {
    const runId = await resolveRun(root, ref);
    if (!runIds.includes(runId)) runIds.push(runId);
  }
  if (runIds.length > 1) return runIds;
  throw new UserError(`Cannot compare "${runIds[0]}" with itself`, {
    hint: "name another run as well; hearth runs lists them",
    exitCode: EXIT.usage,
  });
}
