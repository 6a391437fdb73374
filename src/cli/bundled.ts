/**
 * The command line of a bundle: an executable with a model inside that writes
 * text, and nothing else.
 *
 * @module
 */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { basename } from "node:path";
import { EXIT } from "../base/errors.ts";
import { safeText } from "../base/safe_text.ts";
import { VERSION } from "../base/version.ts";
import { parseBundledModel } from "../export/bundle/bundled_model.ts";
import { openBundledModel } from "../export/bundle/model_section.ts";
import { resolveGeneration } from "../generate/generate.ts";
import { type OpenModel, openModel } from "../generate/open_model.ts";
import type { App } from "./app.ts";
import { examples } from "./flags/examples.ts";
import { addGenerationFlags } from "./flags/generation_flags.ts";
import { readPrompt, readStdinPrompt } from "./flags/prompt.ts";
import { introduce, type TextsToWrite, writeTexts } from "./output/texts.ts";
import { printingThrough } from "./program.ts";
import { StopSignal } from "./stop_signal.ts";

/**
 * Checks the model and builds the parser.
 *
 * @throws {UserError} If the model is damaged.
 */
export async function createBundledProgram(
  app: App,
): Promise<CommandUnknownOpts> {
  const bundled = parseBundledModel(app.io.bundledModel!);
  const files = await openBundledModel(bundled);
  const name = safeText(basename(bundled.path));
  const program = printingThrough(app.io, new Command(name));
  const about = safeText(`${files.runId}, step ${files.step}`);
  addGenerationFlags(program)
    .usage("[options]")
    .description(
      `Write text with the model in this file (${about}), as it is drawn. ` +
        "Without --prompt it continues what it reads from standard input, or " +
        "what you type.",
    )
    .version(
      `${about} (hearth ${VERSION})`,
      "-V, --version",
      "print the version",
    )
    .helpOption("-h, --help", "print this help")
    .option("--json", "one object per text")
    .option("--quiet", "only texts, warnings and errors")
    .option("--no-color", "no colors")
    .addHelpText(
      "after",
      examples(
        `./${name} --prompt "Once upon a time"`,
        `echo "Once upon a time" | ./${name} --temperature 0.5`,
      ),
    )
    .action(async (flags) => {
      app.configure(flags as typeof flags & { color: boolean });
      resolveGeneration(flags); // before anything is loaded
      const talks = flags.prompt === undefined && app.io.stdinIsTty &&
        app.io.stdout.isTty;
      const prompt = flags.prompt === undefined && !app.io.stdinIsTty
        ? await readStdinPrompt(app)
        : await readPrompt(app, flags.prompt);
      await using model = await openModel(files, { ...flags, prompt });
      introduce(app, model);
      if (talks) return await talk(app, model, flags);
      using stop = new StopSignal(app, () => {});
      await writeTexts(app, model, { flags, prompt, signal: stop.signal });
      if (stop.signal.aborted) app.exitCode = EXIT.stopped;
    });
  return program;
}

/** Continues one line after another; Ctrl+C ends a text, Ctrl+D all. */
async function talk(
  app: App,
  model: OpenModel,
  flags: TextsToWrite["flags"],
): Promise<void> {
  app.note("Type how a text begins. Ctrl+C ends a text, Ctrl+D the program.");
  for (let prompt; (prompt = app.io.ask(">")) !== null;) {
    using stop = new StopSignal(app, () => {});
    await writeTexts(app, model, { flags, prompt, signal: stop.signal });
    if (stop.signal.aborted) app.print();
  }
}
