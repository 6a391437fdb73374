/**
 * The command that was probably meant: by a typing mistake, by a word that
 * other programs use, or by the name of a subcommand alone.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { nearMiss } from "../../config/near_miss.ts";

/** What people type from habit, and what does that here. */
const HABITS: Readonly<Record<string, string>> = {
  benchmark: "bench",
  cancel: "stop",
  chat: "generate",
  check: "doctor",
  complete: "generate",
  config: "init",
  continue: "resume",
  convert: "export",
  dashboard: "tui",
  datasets: "data list",
  del: "rm",
  delete: "rm",
  diff: "compare",
  download: "data prepare",
  evaluate: "eval",
  finetune: "train",
  fit: "train",
  gui: "tui",
  infer: "generate",
  info: "status",
  inference: "generate",
  kill: "stop",
  list: "runs",
  load: "import",
  ls: "runs",
  monitor: "tui",
  new: "init",
  pause: "stop",
  plot: "report",
  predict: "generate",
  ps: "runs",
  pull: "import",
  remove: "rm",
  restart: "resume",
  run: "train",
  sample: "generate",
  save: "export",
  show: "status",
  start: "train",
  tail: "logs -f",
  test: "eval",
  tokenize: "tokenizer encode",
  top: "tui",
  ui: "tui",
  version: "--version",
  watch: "attach",
  write: "generate",
};

/** Those of `command`, the likeliest first, without the program's name. */
export function likelyCommands(
  typed: string,
  command: CommandUnknownOpts,
): string[] {
  const visible = (of: CommandUnknownOpts) =>
    of.createHelp().visibleCommands(of);
  const word = typed.toLowerCase();
  if (command.parent === null && Object.hasOwn(HABITS, word)) {
    return [HABITS[word]];
  }
  const below = visible(command).flatMap((child) =>
    visible(child)
      .filter((one) => one.name() === word)
      .map((one) => `${child.name()} ${one.name()}`)
  );
  if (below.length > 0) return below;
  const near = nearMiss(typed, visible(command).map((child) => child.name()));
  return near === null ? [] : [near];
}
