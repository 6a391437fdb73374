/**
 * What the parser of the command line found wrong, in our own words.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CommanderError } from "commander";
import { EXIT } from "../base/errors.ts";
import { nearMiss } from "../config/near_miss.ts";

/** What is printed for an error. */
export interface Explanation {
  message: string;
  hint: string;
  exitCode: number;
}

/** What commander says of a flag with a few words to choose from. */
const WRONG_CHOICE =
  /option '(\S+) .*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/;

/** The same of an argument. */
const WRONG_ARGUMENT =
  /value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s;

/** Puts commander's messages into our form. */
export function explainUsage(
  error: CommanderError,
  program: CommandUnknownOpts,
  argv: readonly string[],
): Explanation {
  const { path, command } = addressed(program, argv);
  const exitCode = EXIT.usage;
  const hint = `see ${path} --help`;
  if (error.code === "commander.help") {
    return { message: `Cannot run "${path}" by itself`, hint, exitCode };
  }
  const argument = WRONG_ARGUMENT.exec(error.message);
  if (argument !== null) {
    const [, typed, name, allowed] = argument;
    const message = `Cannot use ${name} "${typed}": expected one of ${allowed}`;
    const meant = nearMiss(typed, allowed.split(", "));
    return { message, hint: meant ? `did you mean ${meant}?` : hint, exitCode };
  }
  const choice = WRONG_CHOICE.exec(error.message);
  if (choice !== null) {
    const [, flag, typed, allowed] = choice;
    const message = `Cannot use ${flag} ${typed}: expected one of ${allowed}`;
    return { message, hint, exitCode };
  }
  const [first, ...rest] = error.message.replace(/^error: /, "").split("\n");
  const meant = /Did you mean (.*)\?/i.exec(rest.join(" "));
  const message = (first[0].toUpperCase() + first.slice(1))
    .replaceAll("'", '"').replace(/\.$/, "");
  const flag = meant?.[1] ??
    (error.code === "commander.unknownOption"
      ? flagOfWords(/"(--[^"]+)"/.exec(message)?.[1] ?? "", command)
      : undefined);
  return { message, hint: flag ? `did you mean ${flag}?` : hint, exitCode };
}

/** The flag that has all words of `typed`, as --max-new-tokens of --max-tokens. */
function flagOfWords(
  typed: string,
  command: CommandUnknownOpts,
): string | undefined {
  const words = typed.slice(2).toLowerCase().split("-");
  if (words.length < 2) return undefined; // one word says too little
  return command.options.map(({ long }) => long ?? "").find((flag) => {
    const its = flag.slice(2).split("-");
    return words.every((word) => its.includes(word));
  });
}

/** The command that a command line is for. */
interface AddressedCommand {
  /** In words, such as `hearth data list`. */
  path: string;
  command: CommandUnknownOpts;
}

function addressed(
  program: CommandUnknownOpts,
  argv: readonly string[],
): AddressedCommand {
  let command = program;
  let path = program.name();
  for (const word of argv) {
    const next = command.commands.find((child) => child.name() === word);
    if (next === undefined) continue; // a flag, a value, a mistake
    command = next;
    path += ` ${word}`;
  }
  return { path, command };
}
