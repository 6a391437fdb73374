/**
 * What the parser of the command line found wrong, in our own words.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CommanderError } from "commander";
import { EXIT, UserError } from "../../base/errors.ts";
import { likelyNames, nearMiss } from "../../config/near_miss.ts";
import { addressedBy, type AddressedCommand } from "./addressed_command.ts";
import { explainExtraWords } from "./extra_words.ts";
import { likelyCommands } from "./likely_commands.ts";

/** What is printed for an error. */
export interface Explanation {
  message: string;
  hint: string;
  exitCode: number;
}

/** What commander says of a flag with a few words to choose from. */
const WRONG_CHOICE =
  /option '(\S+) .*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s;

/** The same of an argument. */
const WRONG_ARGUMENT =
  /value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s;

/** Names at most this many in a hint. */
const MOST_NAMED = 3;

/** Puts commander's messages into our form. */
export function explainUsage(
  error: CommanderError,
  program: CommandUnknownOpts,
  argv: readonly string[],
): Explanation {
  const addressed = addressedBy(program, argv);
  const { message, hint } = wordsFor(error, addressed, argv);
  return {
    message,
    hint: hint ?? `see ${addressed.path} --help`,
    exitCode: EXIT.usage,
  };
}

function wordsFor(
  { code, message }: CommanderError,
  addressed: AddressedCommand,
  argv: readonly string[],
): { message: string; hint?: string } {
  const { path, command } = addressed;
  const quoted = /'([^]*)'/.exec(message)?.[1] ?? "";
  switch (code) {
    case "commander.help":
      return { message: `Cannot run "${path}" by itself` };
    case "commander.unknownCommand":
      return {
        message: `Unknown command "${quoted}"`,
        hint: didYouMean(
          likelyCommands(quoted, command).map((name) => `${path} ${name}`),
        ),
      };
    case "commander.unknownOption":
      return unknownFlag(quoted, command);
    case "commander.optionMissingArgument":
      return missingValue(quoted.split(" ")[0], command);
    case "commander.missingArgument":
      return {
        message: `Cannot run "${path}" without <${quoted}>`,
        hint: quoted === "run" ? "hearth runs lists the runs" : undefined,
      };
    case "commander.excessArguments":
      return explainExtraWords(addressed, argv);
  }
  const [, name, typed, allowed] = WRONG_CHOICE.exec(message) ?? [];
  if (name !== undefined) {
    return {
      message: `Cannot use ${name} ${typed}: expected one of ${allowed}`,
      hint: didYouMean([nearMiss(typed, allowed.split(", "))]),
    };
  }
  const [, word, argument, choices] = WRONG_ARGUMENT.exec(message) ?? [];
  if (word !== undefined) {
    return {
      message: `Cannot use ${argument} "${word}": expected one of ${choices}`,
      hint: didYouMean([nearMiss(word, choices.split(", "))]),
    };
  }
  const text = message.replace(/^error: /, "");
  return { message: text[0].toUpperCase() + text.slice(1) };
}

/** A flag that `command` does not have, maybe with a value: `--lr=1`. */
function unknownFlag(typed: string, command: CommandUnknownOpts) {
  const [flag] = typed.split("=", 1);
  const flags = visibleFlags(command);
  if (flag !== typed && flags.includes(flag)) {
    return {
      message: `Cannot use ${typed}: ${flag} takes no value`,
      hint: `type ${flag} alone, or leave it out`,
    };
  }
  // One dash in place of two; one letter says nothing.
  const name = flag.replace(/^-+/, "");
  const likely = name.length < 2
    ? []
    : likelyNames(name, flags.map((flag) => flag.slice(2)));
  const { parent } = command;
  const isCommand = parent?.commands.some((other) => other.name() === name);
  return {
    message: `Unknown option "${typed}"`,
    hint: likely.length === 0 && isCommand
      ? didYouMean([`${parent!.name()} ${name}`])
      : didYouMean(likely.map((name) => `--${name}`)),
  };
}

/** The long flags of a command, and those of all commands. */
function visibleFlags(command: CommandUnknownOpts): string[] {
  const help = command.createHelp();
  return [
    ...help.visibleOptions(command),
    ...help.visibleGlobalOptions(command),
    // Help shows one line for both.
    ...command.options.filter(({ negate }) => negate),
  ].flatMap(({ long }) => long ?? []);
}

function missingValue(flag: string, command: CommandUnknownOpts) {
  const option = optionsOf(command).find(({ long }) => long === flag);
  return {
    message: `Cannot use ${flag}: a value must follow`,
    hint: option && `${option.flags}: ${option.description}`,
  };
}

function optionsOf(command: CommandUnknownOpts): CommandUnknownOpts["options"] {
  const above = command.parent === null ? [] : optionsOf(command.parent);
  return [...command.options, ...above];
}

function didYouMean(names: readonly (string | null)[]): string | undefined {
  const known = names.filter((name) => name !== null).slice(0, MOST_NAMED);
  if (known.length === 0) return undefined;
  return `did you mean ${known.length > 1 ? "one of " : ""}${
    known.join(", ")
  }?`;
}

/**
 * Refuses a flag where the value of another one should stand, which the parser
 * takes for that value: `--run-id --detach` would train a run called --detach.
 *
 * @throws {UserError} Also `--run-id=--detach` can be typed, if that is meant.
 */
export function checkValues(
  program: CommandUnknownOpts,
  argv: readonly string[],
): void {
  const { command } = addressedBy(program, argv);
  const options = optionsOf(command);
  const named = (word: string) => options.find(({ long }) => long === word);
  for (let i = 0; i < argv.length && argv[i] !== "--"; i++) {
    if (!named(argv[i])?.required) continue;
    const value: string | undefined = argv[++i];
    if (value === undefined || !named(value.split("=", 1)[0])) continue;
    const { message, hint } = missingValue(argv[i - 1], command);
    throw new UserError(`${message}, found ${value}`, {
      hint: hint!,
      exitCode: EXIT.usage,
    });
  }
}
