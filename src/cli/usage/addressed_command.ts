/**
 * Which command a command line is for, read without the parser: it may have
 * refused the line.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** The command that a command line is for. */
export interface AddressedCommand {
  /** In words, such as `hearth data list`. */
  path: string;
  command: CommandUnknownOpts;
}

/** The last command that `argv` names; `program` where it names none. */
export function addressedBy(
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
