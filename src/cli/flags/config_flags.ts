/**
 * The flags of the configuration on the command line: added to commands, and
 * read back.
 *
 * @module
 */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import {
  CONFIG_FLAGS,
  type ConfigFlag,
  flagSetting,
} from "../../config/config_flags.ts";
import type { FlagSetting } from "../../config/parse.ts";
import { refusalOnResume } from "../../config/resume_rules.ts";

/** Headings in `--help`, by section of the configuration. */
const HEADINGS: Record<string, string> = {
  "": "Run:",
  model: "Model:",
  tokenizer: "Tokenizer:",
  data: "Data:",
  train: "Training:",
  lora: "Adapters (LoRA), with --from:",
  checkpoint: "Checkpoints:",
};

/**
 * Adds flags to `command`, grouped as in the configuration file.
 *
 * @param sections Only those of these sections; default: all.
 */
export function addConfigFlags(
  command: CommandUnknownOpts,
  sections?: readonly string[],
): void {
  for (const flag of CONFIG_FLAGS) {
    if (sections && !sections.includes(flag.path.split(".")[0])) continue;
    for (const option of optionsOf(flag)) command.addOption(option);
  }
}

/**
 * Adds the flags of a run that goes on. Those it cannot change are accepted,
 * without a line in the help, to be refused with a reason.
 */
export function addOverrideFlags(command: CommandUnknownOpts): void {
  for (const flag of CONFIG_FLAGS) {
    for (const option of optionsOf(flag, flag.helpOnResume)) {
      command.addOption(
        refusalOnResume(flag.path) ? option.hideHelp() : option,
      );
    }
  }
}

/** `--set key=value`, which may be repeated. */
export function setOption(): Option {
  return new Option(
    "--set <key=value>",
    "any setting by its path in the file; may be repeated",
  ).argParser<string[]>((value, before) => [...(before ?? []), value]);
}

function optionsOf(flag: ConfigFlag, help = flag.help): Option[] {
  const heading = HEADINGS[flag.path.split(".").slice(0, -1).join(".")];
  const create = (flags: string) => new Option(flags, help).helpGroup(heading);
  switch (flag.kind) {
    case "switch":
      // Help shows one line for both; see optionTerm below.
      return [
        create(`--${flag.name}`),
        create(`--no-${flag.name}`).hideHelp(),
      ];
    case "choice":
      return [create(`--${flag.name} <name>`)];
    case "list":
      return [
        create(
          `--${flag.name} <${
            flag.path.startsWith("data.") ? "source" : "names"
          }>`,
        )
          .argParser<string[]>((value, before) => [...(before ?? []), value]),
      ];
    case "number":
      return [create(`--${flag.name} <n>`)];
    case "text":
      return [create(`--${flag.name} <${flag.name.split("-").at(-1)}>`)];
  }
}

/** How an option is written in `--help`: one line for `--x` and `--no-x`. */
export function optionTerm(
  { flags, long }: Pick<Option, "flags" | "long">,
): string {
  const isSwitch = CONFIG_FLAGS.some(({ name, kind }) =>
    kind === "switch" && `--${name}` === long
  );
  return isSwitch ? `--[no-]${long!.slice(2)}` : flags;
}

/** The settings that the user gave as flags. */
export function readConfigFlags(command: CommandUnknownOpts): FlagSetting[] {
  return CONFIG_FLAGS.flatMap((flag) => {
    const key = flag.name.replaceAll(
      /-([a-z0-9])/g,
      (_, letter: string) => letter.toUpperCase(),
    );
    if (command.getOptionValueSource(key) !== "cli") return [];
    const typed = command.getOptionValue(key) as string | boolean | string[];
    return [flagSetting(flag, typed)];
  });
}
