/**
 * Settings without a field of their own, typed into one line as they would be
 * on the command line: `model.dropout=0.1 --seed 7`. Pure.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { CONFIG_FLAGS, type ConfigFlag } from "../../config/config_flags.ts";
import { nearMiss } from "../../config/near_miss.ts";
import { RUN_QUESTIONS } from "../../config/run_questions.ts";

/** A flag and what was typed behind it; a switch is on or off. */
export interface TypedFlag {
  flag: ConfigFlag;
  typed: string | boolean;
}

/** Assignments and flags, one a piece; values may have spaces. */
function pieces(text: string): string[] {
  return text.split(/\s+(?=[\w.]+=|--)/).map((one) => one.trim())
    .filter((one) => one !== "" && one !== "--set");
}

const isFlag = (piece: string) => piece.startsWith("--");

/** The same as words of a command line. */
export function otherWords(text: string): string[] {
  return pieces(text).flatMap((piece) => {
    if (!isFlag(piece)) return ["--set", piece];
    const [, name, value] = /^(\S+)\s*([^]*)$/.exec(piece)!;
    return value === "" ? [name] : [name, value];
  });
}

/** The assignments among them, for `setLayer`. */
export function otherAssignments(text: string): string[] {
  return pieces(text).filter((piece) => !isFlag(piece));
}

/** The flags among them. @throws {UserError} For those that are none. */
export function otherFlags(text: string): TypedFlag[] {
  return pieces(text).filter(isFlag).map(readFlag);
}

function readFlag(piece: string): TypedFlag {
  const [, word, value] = /^(--[^\s=]*)[\s=]*([^]*)$/.exec(piece)!;
  const name = word.slice(2);
  const flag = CONFIG_FLAGS.find((one) => one.name === name);
  const off = CONFIG_FLAGS.find((one) =>
    one.kind === "switch" && `no-${one.name}` === name
  );
  if (flag && flag.kind !== "switch") {
    if (value !== "") return { flag, typed: value };
    throw refusal(`Option "${word}" argument missing`, `such as ${word} 1`);
  }
  const known = flag ?? off;
  if (known && value === "") return { flag: known, typed: flag !== undefined };
  if (known) {
    throw refusal(
      `Cannot use ${word} ${value}: ${word} takes no value`,
      `${word} by itself turns it ${flag ? "on" : "off"}`,
    );
  }
  if (RUN_QUESTIONS.some((question) => question.flag === name)) {
    throw refusal(
      `Cannot use ${word} here: it has a field of its own`,
      "fill in that field",
    );
  }
  const meant = nearMiss(name, CONFIG_FLAGS.map((one) => one.name));
  throw refusal(
    `Unknown option "${word}"`,
    meant ? `did you mean --${meant}?` : "see hearth train --help",
  );
}

function refusal(message: string, hint: string): UserError {
  return new UserError(message, { hint, exitCode: EXIT.usage });
}
