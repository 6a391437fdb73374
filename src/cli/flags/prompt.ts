/**
 * The text that a model continues, as it is given.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { App } from "../app.ts";

/** @throws {UserError} If a prompt is asked for and there is none. */
export async function readPrompt(app: App, given?: string): Promise<string> {
  if (given === undefined) return "";
  const prompt = given === "-" ? await readStdinPrompt(app) : given;
  if (prompt !== "") return prompt;
  throw new UserError(
    given === "-"
      ? "Cannot use --prompt -: standard input is empty, expected text"
      : 'Cannot use --prompt "": expected at least one character',
    {
      hint: "leave out --prompt to let the model begin by itself",
      exitCode: EXIT.usage,
    },
  );
}

/** All of standard input. */
export async function readStdinPrompt(app: App): Promise<string> {
  // `echo` and heredocs add a newline that nobody means.
  return (await app.io.readStdin()).replace(/\r?\n$/, "");
}
