/** `hearth train`: a new run. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { App } from "../app.ts";
import {
  addConfigFlags,
  readConfigFlags,
  setOption,
} from "../flags/config_flags.ts";
import { examples } from "../flags/examples.ts";
import { withStdin } from "../flags/stdin_config.ts";
import { conductRun } from "../run/conduct_run.ts";
import { detachRun } from "../run/detach_run.ts";

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
    .option(
      "--from <run>",
      "train the model of a run or checkpoint on, with its tokenizer",
    )
    .addOption(setOption())
    .option("--run-id <id>", "name of the run; default: a new one")
    .option(
      "--detach",
      "train in the background: closing the terminal does not end it",
    )
    .addHelpText(
      "after",
      examples(
        "hearth train --profile tiny --dataset poems.txt --epochs 3",
        "hearth train --from owl-1/best --dataset letters.txt --epochs 1",
      ),
    );
  addConfigFlags(command);
  command.action(async (options) => {
    const { config: file, profile, from, set, runId, detach } = options;
    const { root, io: { detachedRun, commandLine } } = app;
    const load = async () => {
      const { loadConfig } = await import("../../config/load.ts");
      const { findBase } = await import("../../run/base_settings.ts");
      const flags = readConfigFlags(command);
      if (from !== undefined) {
        flags.push({ path: "from", value: from, typed: `--from ${from}` });
      }
      const config = await loadConfig({
        file,
        profile,
        flags,
        set,
        findBase: (ref) => findBase(root, ref),
      });
      return await withStdin(app, config);
    };
    if (detach && detachedRun === null) {
      return await detachRun(app, async () => {
        const { queueRun } = await import("../../run/background/queued_run.ts");
        return queueRun({ root, config: await load(), commandLine, runId });
      });
    }
    await conductRun(app, async (options) => {
      const { startQueuedRun, startRun } = await import("../../run/runner.ts");
      if (detachedRun !== null) {
        return startQueuedRun({ ...options, runId: detachedRun });
      }
      return startRun({ ...options, config: await load(), runId });
    });
  });
}
