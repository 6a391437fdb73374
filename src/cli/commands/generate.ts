/** `hearth generate`: text from a trained model. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { addGenerationFlags } from "../flags/generation_flags.ts";
import { MODEL_ARGUMENT } from "../flags/model_argument.ts";
import { readPrompt } from "../flags/prompt.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addGenerateCommand(
  program: CommandUnknownOpts,
  app: App,
): void {
  addGenerationFlags(
    program.command("generate")
      .summary("write text with a trained model")
      .description(
        "Write text with a trained model, as it is drawn. With --json: one " +
          "object per sample.",
      )
      .argument("[run]", MODEL_ARGUMENT, "latest"),
  )
    .addHelpText(
      "after",
      examples(
        'hearth generate owl-1 --prompt "Once upon a time"',
        "hearth generate best --temperature 0.5 --num-samples 3",
      ),
    )
    .action(async (ref, flags) => {
      const { resolveGeneration } = await import("../../generate/generate.ts");
      resolveGeneration(flags); // before anything is loaded
      await refuseText(ref);
      const prompt = await readPrompt(app, flags.prompt);
      const { openModel } = await import("../../generate/open_model.ts");
      const { introduce, writeTexts } = await import("../output/texts.ts");
      const { loadChosen } = await import(
        "../../run/checkpoints/checkpoint_ref.ts"
      );
      using stop = new StopSignal(app, () => {});
      const chosen = await loadChosen(app.root, ref);
      await using model = await openModel(chosen, { ...flags, prompt });
      introduce(app, model);
      await writeTexts(app, model, { flags, prompt, signal: stop.signal });
      if (stop.signal.aborted) app.exitCode = EXIT.stopped;
    });
}

/** @throws {UserError} If a text stands where the run should. */
async function refuseText(ref: string): Promise<void> {
  if (!/\s/.test(ref) || await exists(ref) || ref.includes("/")) return;
  throw new UserError(`Cannot use "${ref}" as a run: no run has such a name`, {
    hint: `did you mean --prompt "${ref}"?`,
    exitCode: EXIT.usage,
  });
}
