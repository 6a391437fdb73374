/**
 * Words on the command line that no argument of the command takes: mostly a
 * file without its flag, or a text without quotes.
 *
 * @module
 */

import { PROFILE_NAMES } from "../../config/profile_names.ts";
import type { AddressedCommand } from "./addressed_command.ts";

/** The message, and a hint where one can be guessed. */
export function explainExtraWords(
  { path, command }: AddressedCommand,
  argv: readonly string[],
): { message: string; hint?: string } {
  const taken = command.registeredArguments.length;
  const extra = command.args.slice(taken);
  const more = extra.length > 1 ? ` and ${extra.length - 1} more` : "";
  return {
    message: `Cannot use "${extra[0]}"${more}: ${path} takes ` +
      (taken === 0 ? "flags only" : namesOf(command)),
    hint: meantBy(extra, command, argv),
  };
}

function namesOf(command: AddressedCommand["command"]): string {
  const names = command.registeredArguments.map((one) => one.name());
  return `only ${names.map((name) => `one ${name}`).join(" and ")}`;
}

function meantBy(
  extra: readonly string[],
  command: AddressedCommand["command"],
  argv: readonly string[],
): string | undefined {
  const takes = (flag: string) =>
    command.options.some(({ long }) => long === flag);
  const [word] = extra;
  if (command.registeredArguments.some((one) => one.name() === "text")) {
    return `quote the text: "${command.args.slice(1).join(" ")}"`;
  }
  if (takes("--prompt")) {
    return argv.includes("--prompt")
      ? 'quote a text of several words: --prompt "Once upon a time"'
      : `did you mean --prompt "${extra.join(" ")}"?`;
  }
  if (takes("--profile") && isProfile(word)) {
    return `did you mean --profile ${word}?`;
  }
  if (takes("--config") && /\.(ya?ml|json)$/.test(word)) {
    return `did you mean --config ${word}?`;
  }
  if (takes("--set") && /^[\w.]+=/.test(word)) {
    return `did you mean --set ${word}?`;
  }
  if (takes("--dataset")) {
    return extra.length > 1 || argv.includes("--dataset")
      ? "put --dataset before each, or quote a glob: --dataset 'texts/*.txt'"
      : `did you mean --dataset ${quoted(word)}?`;
  }
  return undefined;
}

function isProfile(word: string): boolean {
  return PROFILE_NAMES.some((name) => name === word);
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /\s/.test(word) ? `"${word}"` : word;
}
