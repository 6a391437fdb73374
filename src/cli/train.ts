/** `hearth train`: a new run. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { App } from "./app.ts";
import { conductRun } from "./conduct_run.ts";
import { addConfigFlags, readConfigFlags, setOption } from "./config_flags.ts";
import { examples } from "./examples.ts";

/** Adds the command. */
export function addTrainCommand(program: CommandUnknownOpts, app: App): void {
  const command = program.command("train")
    .summary("train a model")
    .description(
      "Train a model on text. Settings come from a profile, then a file, then " +
        "flags, then --set: each overrides those before it. Ctrl+C saves a " +
        "checkpoint and stops; hearth resume goes on. With --json: one event " +
        "per line, as many steps as --log-every says.",
    )
    .option("--config <file>", "YAML or JSON file with settings")
    .option("--profile <name>", "settings to start from, such as tiny")
    .addOption(setOption())
    .option("--run-id <id>", "name of the run; default: a new one")
    .addHelpText(
      "after",
      examples(
        "hearth train --profile tiny --dataset poems.txt --epochs 3",
        "hearth train --config hearth.yaml --set model.dropout=0.1",
      ),
    );
  addConfigFlags(command);
  command.action(async ({ config: file, profile, set, runId }) => {
    await conductRun(app, async (options) => {
      const { loadConfig } = await import("../config/load.ts");
      const { startRun } = await import("../run/runner.ts");
      const flags = readConfigFlags(command);
      const config = await loadConfig({ file, profile, flags, set });
      return startRun({ ...options, config, runId });
    });
  });
}
