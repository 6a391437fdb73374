/**
 * The command line as a whole: global flags and the list of commands.
 *
 * Only flag tables are loaded here; what a command does is imported when it
 * runs, so that `--help` and `--version` answer at once.
 *
 * @module
 */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { FULL_VERSION } from "../base/version.ts";
import type { App, GlobalFlags } from "./app.ts";
import { addAttachCommand } from "./commands/attach.ts";
import { addBenchCommand } from "./commands/bench.ts";
import { addCompareCommand } from "./commands/compare.ts";
import { addCompletionsCommand } from "./commands/completions.ts";
import { addDataCommand } from "./commands/data.ts";
import { addDemoCommand } from "./commands/demo.ts";
import { addDevicesCommand } from "./commands/devices.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addEvalCommand } from "./commands/eval.ts";
import { addExportCommand } from "./commands/export.ts";
import { addGenerateCommand } from "./commands/generate.ts";
import { addImportCommand } from "./commands/import.ts";
import { addInitCommand } from "./commands/init.ts";
import { addLogsCommand } from "./commands/logs.ts";
import { addReportCommand } from "./commands/report.ts";
import { addResumeCommand } from "./commands/resume.ts";
import { addRmCommand } from "./commands/rm.ts";
import { addRunsCommand } from "./commands/runs.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addStopCommand } from "./commands/stop.ts";
import { addTokenizerCommand } from "./commands/tokenizer.ts";
import { addTrainCommand } from "./commands/train.ts";
import { addTuiCommand } from "./commands/tui.ts";
import { optionTerm } from "./flags/config_flags.ts";
import { examples } from "./flags/examples.ts";
import type { Io } from "./io.ts";

/** Builds the parser; its actions talk through `app`. */
export function createProgram(app: App): CommandUnknownOpts {
  const program = printingThrough(app.io, new Command("hearth"));
  program
    .usage("<command> [options]")
    .description("Train small language models on the machine you have.")
    .version(`hearth ${FULL_VERSION}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false) // main.ts understands "hearth help train"
    .option(
      "--root <dir>",
      "folder of runs and data (default: HEARTH_ROOT or .)",
    )
    .option("--json", "results as JSON")
    .option("--quiet", "only results, warnings and errors")
    .option("--no-color", "no colors")
    .configureHelp({
      showGlobalOptions: true,
      minWidthToWrap: 30,
      optionTerm,
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(argumentTerm)]
          .join(" "),
    })
    .hook("preAction", () => app.configure(program.opts() as GlobalFlags))
    .addHelpText(
      "after",
      examples(
        "hearth demo",
        "hearth train --profile tiny --dataset poems.txt",
      ),
    );
  program.commandsGroup("Train:");
  addDemoCommand(program, app);
  addInitCommand(program, app);
  addTrainCommand(program, app);
  addResumeCommand(program, app);
  addStopCommand(program, app);
  addRmCommand(program, app);
  program.commandsGroup("Look:");
  addTuiCommand(program, app);
  addStatusCommand(program, app);
  addRunsCommand(program, app);
  addLogsCommand(program, app);
  addAttachCommand(program, app);
  addCompareCommand(program, app);
  addReportCommand(program, app);
  program.commandsGroup("Use:");
  addGenerateCommand(program, app);
  addEvalCommand(program, app);
  addExportCommand(program, app);
  addImportCommand(program, app);
  program.commandsGroup("Prepare:");
  addDataCommand(program, app);
  addTokenizerCommand(program, app);
  program.commandsGroup("Machine:");
  addDevicesCommand(program, app);
  addDoctorCommand(program, app);
  addBenchCommand(program, app);
  addCompletionsCommand(program, app);
  return program;
}

/** Makes a parser print as `io` says, and never end the process. */
export function printingThrough(io: Io, command: Command): Command {
  return command
    .showSuggestionAfterError(false) // usage/ knows more words
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {}, // main.ts prints it, with a hint
      getOutHelpWidth: () => Math.min(io.columns(), 100),
      getErrHelpWidth: () => Math.min(io.columns(), 100),
    })
    .exitOverride();
}

function argumentTerm(argument: CommandUnknownOpts["registeredArguments"][0]) {
  const name = argument.name() + (argument.variadic ? "..." : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}
