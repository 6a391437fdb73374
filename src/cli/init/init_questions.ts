/**
 * The questions of `hearth init`, asked in the terminal.
 *
 * @module
 */

import { confirm, intro, isCancel, select, text } from "@clack/prompts";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { PROFILES, profileSummary } from "../../config/profiles.ts";
import { questionFor } from "../../config/run_questions.ts";
import type { InitAnswers } from "./init_file.ts";

/** What to ask, and where. */
export interface AskOptions {
  /** What flags have answered already. */
  given: Partial<InitAnswers>;
  /** Ask whether this file may be replaced; null if there is none. */
  file: string | null;
  /** Terminal streams; default: stdin and stderr, as stdout is for results. */
  input?: Readable;
  output?: Writable;
}

/**
 * Asks what flags have not answered.
 *
 * @returns Null if the user gave up or the file is to stay.
 */
export async function ask(
  { given, file, input = process.stdin, output = process.stderr }: AskOptions,
): Promise<InitAnswers | null> {
  intro("A configuration for hearth train", { output });
  if (file !== null) {
    const replace = await confirm({
      input,
      output,
      message: `"${file}" exists. Replace it?`,
      initialValue: false,
    });
    if (isCancel(replace) || !replace) return null;
  }
  const profile = given.profile ?? await select({
    input,
    output,
    message: questionFor("profile").message,
    initialValue: "tiny",
    options: Object.entries(PROFILES).map(([value, { text }]) => ({
      value,
      label: value,
      hint: profileSummary(text),
    })),
  });
  if (isCancel(profile)) return null;
  const dataset = given.dataset ?? await text({
    input,
    output,
    message: questionFor("dataset").message,
    placeholder: questionFor("dataset").empty,
    defaultValue: questionFor("dataset").empty,
  });
  if (isCancel(dataset)) return null;
  const steps = await text({
    input,
    output,
    message: `${questionFor("steps").message} ` +
      `(empty: ${questionFor("steps").empty})`,
    validate: (value) =>
      !value || /^[1-9]\d{0,8}$/.test(value)
        ? undefined
        : "a whole number above 0, or nothing",
  });
  if (isCancel(steps)) return null;
  return { profile, dataset, ...steps ? { steps: Number(steps) } : {} };
}
