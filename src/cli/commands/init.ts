/**
 * `hearth init`: asks a few questions and writes a commented configuration.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import type { InitAnswers } from "../init/init_file.ts";
import { written } from "../output/written.ts";

/** Adds the command. */
export function addInitCommand(program: CommandUnknownOpts, app: App): void {
  program.command("init")
    .summary("write a configuration file")
    .description(
      "Ask a few questions and write a commented configuration file. " +
        "Without a terminal, flags answer them and --yes takes the defaults.",
    )
    .argument("[file]", "where to write", "hearth.yaml")
    .option("--profile <name>", "profile to start from (default: tiny)")
    .option(
      "--dataset <source>",
      "sample, wikitext-2, a file, a folder or a glob",
    )
    .option("--yes", "ask nothing")
    .option("--force", "replace an existing file without asking")
    .addHelpText(
      "after",
      examples(
        "hearth init",
        "hearth init poems.yaml --profile tiny --dataset poems.txt --yes",
      ),
    )
    .action(async (file, flags) => {
      const asks = !flags.yes && app.io.stdinIsTty && app.io.stderr.isTty;
      if (!flags.yes && !asks) {
        throw new UserError("Cannot ask questions: this is not a terminal", {
          hint: `hearth init ${file} --yes writes the defaults`,
          exitCode: EXIT.usage,
        });
      }
      const { initText } = await import("../init/init_file.ts");
      const { loadConfig } = await import("../../config/load.ts");
      const given: Partial<InitAnswers> = flags;
      // Wrong flags are wrong before the first question, too.
      await loadConfig({
        profile: given.profile,
        set: [`data.dataset=${JSON.stringify(given.dataset ?? "sample")}`],
      });

      const isThere = await exists(file);
      let replace = flags.force ?? false;
      let answers: InitAnswers | null = {
        profile: given.profile ?? "tiny",
        dataset: given.dataset ?? "sample",
      };
      if (asks) {
        const { ask } = await import("../init/init_questions.ts");
        answers = await ask({ given, file: isThere && !replace ? file : null });
        if (answers === null) { // the user changed their mind
          app.note("nothing was written");
          app.exitCode = EXIT.stopped;
          return;
        }
        replace = true;
      }
      if (isThere && !replace) {
        throw new UserError(`Cannot write "${file}": it exists`, {
          hint: "add --force to replace it, or name another file",
          exitCode: EXIT.usage,
        });
      }
      await written(
        file,
        Deno.writeTextFile(file, initText(answers)),
        "name another file: hearth init PATH",
      );
      app.print(file);
      app.note(`next: ${app.io.program} train --config ${file}`);
    });
}
