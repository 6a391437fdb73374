/** `hearth resume`: a run goes on where it stopped. @module */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import type { ResumeOptions } from "../../run/runner.ts";
import { LR_POLICIES } from "../../train/lr_policies.ts";
import type { App } from "../app.ts";
import {
  addOverrideFlags,
  readConfigFlags,
  setOption,
} from "../flags/config_flags.ts";
import { examples } from "../flags/examples.ts";
import { countFlag, numberFlag } from "../flags/numbers.ts";
import { conductRun } from "../run/conduct_run.ts";
import { detachRun } from "../run/detach_run.ts";

/** Adds the command. */
export function addResumeCommand(program: CommandUnknownOpts, app: App): void {
  const command = program.command("resume")
    .summary("go on with a run that was stopped, or train it for longer")
    .description(
      "Go on with a run where its newest checkpoint was saved, bit for bit " +
        "as if it had not been interrupted. With --more-epochs or " +
        "--more-steps, train that much beyond the checkpoint. Settings stay " +
        "as they are unless given here; shape, tokenizer, text and seed " +
        "always do.",
    )
    .argument("[run]", "id of a run, its beginning, or latest", "latest")
    .option(
      "--from <checkpoint>",
      "latest, best, or a step such as 500 (default: latest)",
    )
    .option(
      "--more-epochs <n>",
      "train n epochs beyond the checkpoint; may be a fraction",
      numberFlag("--more-epochs"),
    )
    .option(
      "--more-steps <n>",
      "train n steps beyond the checkpoint",
      countFlag("--more-steps", 1),
    )
    .addOption(
      new Option(
        "--lr-policy <name>",
        "learning rate of the additional steps: continue the schedule to " +
          "the new end (the default), rewarm to lr and go through it again, " +
          "or keep it constant",
      ).choices(LR_POLICIES),
    )
    .addOption(setOption())
    .option(
      "--detach",
      "train in the background: closing the terminal does not end it",
    )
    .addHelpText(
      "after",
      examples(
        "hearth resume owl-1 --from best",
        "hearth resume --more-epochs 1 --lr-policy rewarm",
      ),
    );
  addOverrideFlags(command);
  command.action(async (ref, typed) => {
    const { from, lrPolicy, set, detach } = typed;
    const more = moreOf(typed);
    const { detachedRun } = app.io;
    if (detach && detachedRun === null) {
      return await detachRun(app, async () => {
        const { findIdleRun } = await import(
          "../../run/background/queued_run.ts"
        );
        return findIdleRun(app.root, ref);
      });
    }
    await conductRun(app, async (options) => {
      const { resumeRun } = await import("../../run/runner.ts");
      const overrides = { flags: readConfigFlags(command), set };
      return resumeRun({
        ...options,
        ref: detachedRun ?? ref,
        from,
        more,
        lrPolicy,
        overrides,
      });
    });
  });
}

function moreOf(
  { moreEpochs: epochs, moreSteps: steps }: {
    moreEpochs?: number;
    moreSteps?: number;
  },
): ResumeOptions["more"] {
  if (epochs === undefined) return steps === undefined ? undefined : { steps };
  if (steps !== undefined) {
    throw new UserError(
      `Cannot train ${epochs} more epochs and ${steps} more steps: ` +
        "expected one of the two",
      { hint: "leave out --more-epochs or --more-steps", exitCode: EXIT.usage },
    );
  }
  if (epochs > 0) return { epochs };
  throw new UserError(
    `Cannot use --more-epochs ${epochs}: expected a number above 0`,
    { hint: "for example --more-epochs 1", exitCode: EXIT.usage },
  );
}
