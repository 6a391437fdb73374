/**
 * `hearth completions`: a script that teaches a shell to complete commands,
 * flags, choices and run ids; and the hidden `complete` that it calls.
 *
 * @module
 */

import {
  Argument,
  type Command,
  type CommandUnknownOpts,
} from "@commander-js/extra-typings";
import { CONFIG_FLAGS } from "../../config/config_flags.ts";
import { PROFILE_NAMES } from "../../config/profile_names.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

/** Flags and arguments whose values are files. */
const FILE_FLAGS = new Set([
  "--config",
  "--dataset",
  "--val-dataset",
  "--tokenizer-path",
  "--root",
  "--output",
]);

/** Values that complete a flag. */
const FLAG_CHOICES = new Map<string, readonly string[]>([
  ["profile", PROFILE_NAMES],
  ...CONFIG_FLAGS.flatMap(({ name, choices }) =>
    choices ? [[name, choices] as const] : []
  ),
]);

/** Tells the shell's script to complete file names itself. */
const COMPLETE_FILES = ":0\n";

/** Adds the command and its hidden counterpart. */
export function addCompletionsCommand(
  program: CommandUnknownOpts,
  app: App,
): void {
  program.command("completions")
    .summary("print or install a shell completion script")
    .description(
      "Print a script that makes a shell complete hearth's commands and flags.",
    )
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .option("--install", "put it where the shell looks for it")
    .addHelpText(
      "after",
      examples(
        "hearth completions bash --install",
        "hearth completions zsh > ~/.zsh/completions/_hearth",
      ),
    )
    .action(async (shell, { install }) => {
      const { script } = await import("@bomb.sh/tab");
      const text = printed(() => script(shell, "hearth", "hearth"));
      if (!install) return app.io.stdout.write(text);
      const { installCompletions } = await import(
        "../output/install_completions.ts"
      );
      const { path, activate } = await installCompletions(shell, text, {
        env: app.io.env,
      });
      app.print(path);
      app.note(activate);
    });

  program.command("complete", { hidden: true })
    .description("print completions of a command line, for the scripts")
    .argument("[words...]", "the command line so far, without hearth")
    .action(async (words) => {
      app.io.stdout.write(await complete(program, { app, words }));
    });
}

async function complete(
  program: CommandUnknownOpts,
  { app, words }: { app: App; words: string[] },
): Promise<string> {
  if (FILE_FLAGS.has(words.at(-2) ?? "")) return COMPLETE_FILES;
  const { RootCommand } = await import("@bomb.sh/tab");
  const { listRunIds } = await import("../../run/files/runs.ts");
  const { isRunId } = await import("../../run/files/run_id.ts");
  // A shell would run what a directory like `$(reboot)` is called.
  const runIds = (await listRunIds(app.root)).filter(isRunId);
  const root = new RootCommand();
  const globals = program.options;
  for (const option of globals) addOption(root, option);
  const walk = (parent: CommandUnknownOpts, prefix: string) => {
    for (const command of parent.createHelp().visibleCommands(parent)) {
      const name = prefix + command.name();
      const target = root.command(name, command.summary());
      for (const option of [...command.options, ...globals]) {
        if (!option.hidden) addOption(target, option);
      }
      for (const argument of command.registeredArguments) {
        const values = argument.name() === "run"
          ? ["latest", ...runIds]
          : argument.argChoices ?? [];
        target.argument(argument.name(), (add) => {
          for (const value of values) add(value, "");
        }, argument.variadic);
      }
      walk(command, `${name} `);
    }
  };
  walk(program, "");
  return printed(() => root.parse(words));
}

/** The parts of the library's command that are used here. */
type Target = InstanceType<typeof import("@bomb.sh/tab").Command>;

function addOption(
  target: Target,
  option: Command["options"][number],
): void {
  const name = option.long!.slice(2);
  const choices = FLAG_CHOICES.get(name) ?? [];
  if (option.required || option.optional) {
    target.option(name, option.description, (add) => {
      for (const choice of choices) add(choice, "");
    });
  } else {
    target.option(name, option.description);
  }
}

/** What `work` prints: the library knows no other way out than the console. */
function printed(work: () => void): string {
  const log = console.log;
  const lines: string[] = [];
  console.log = (line: string) => lines.push(line);
  try {
    work();
  } finally {
    console.log = log;
  }
  return lines.map((line) => `${line}\n`).join("");
}
