/** The end of every `--help`. @module */

/** Text for `addHelpText("after", …)`. */
export function examples(...commands: [string, string]): string {
  return ["", "Examples:", ...commands.map((text) => `  $ ${text}`)].join("\n");
}
