/**
 * Flags of the commands that write text.
 *
 * @module
 */

import { type Command, Option } from "@commander-js/extra-typings";
import { countFlag, numberFlag } from "./numbers.ts";

/**
 * Adds what can be said of the texts and of where they are computed.
 *
 * @param command Without flags so far: types of flags behind unknown ones take
 * TypeScript minutes.
 */
export function addGenerationFlags<A extends unknown[]>(command: Command<A>) {
  return command
    .option("--prompt <text>", "text to continue; - reads standard input")
    .option(
      "--max-new-tokens <n>",
      "most tokens to draw (default: 200)",
      numberFlag("--max-new-tokens"),
    )
    .option(
      "--temperature <n>",
      "0: the most likely token, 1: as learned (default: 0.8)",
      numberFlag("--temperature"),
    )
    .option(
      "--top-k <n>",
      "draw from this many likely tokens; 0: all (default: 200)",
      numberFlag("--top-k"),
    )
    .option(
      "--top-p <n>",
      "draw from tokens up to this probability (default: 1)",
      numberFlag("--top-p"),
    )
    .option(
      "--repetition-penalty <n>",
      "above 1: avoid tokens seen before (default: 1)",
      numberFlag("--repetition-penalty"),
    )
    .option(
      "--seed <n>",
      "same seed, same text (default: 1337)",
      numberFlag("--seed"),
    )
    .option(
      "--num-samples <n>",
      "texts to write, each with the next seed (default: 1)",
      countFlag("--num-samples", 1),
    )
    .option("--device <device>", "auto, cpu, gpu … (default: auto)")
    .option("--strict-device", "fail when that device is not there")
    .addOption(new Option("--no-strict-device").hideHelp())
    .option("--threads <n>", "CPU threads", countFlag("--threads", 0));
}
