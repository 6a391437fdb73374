/**
 * Writes `docs/cli.md`: every command's help, from the same table of flags that
 * parses them. A test fails when it is out of date.
 *
 *     deno run -A scripts/write_cli_docs.ts
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { App } from "../src/cli/app.ts";
import { processIo } from "../src/cli/process_io.ts";
import { createProgram } from "../src/cli/program.ts";

/** Columns of a help text. */
const WIDTH = 80;

/** The text of the file. */
export function cliDocs(): string {
  let printed = "";
  const io = {
    ...processIo(),
    stdout: { isTty: false, write: (text: string) => void (printed += text) },
    columns: () => WIDTH,
  };
  const helpOf = (command: CommandUnknownOpts) => {
    printed = "";
    command.outputHelp();
    return printed.trimEnd();
  };
  const program = createProgram(new App(io));
  const commands = [...withSubcommands(program, [])];
  return `# Command line

Written by \`deno task docs\` from the flags themselves; \`hearth COMMAND --help\`
prints the same. Results go to stdout, all else to stderr. Exit codes: 0 done, 1
failed, 2 wrong usage or configuration, 3 stopped early, 130 second Ctrl+C.

${
    commands.map(({ words }) => {
      const name = words.join(" ");
      return `- [${name}](#${name.replaceAll(" ", "-")})`;
    }).join("\n")
  }

${
    commands.map(({ words, command }) =>
      `## ${words.join(" ")}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`
    ).join("\n")
  }`;
}

/** A command and those below it, in the order of the help. */
function* withSubcommands(
  command: CommandUnknownOpts,
  above: readonly string[],
): Generator<{ words: string[]; command: CommandUnknownOpts }> {
  const words = [...above, command.name()];
  yield { words, command };
  for (const child of command.createHelp().visibleCommands(command)) {
    yield* withSubcommands(child, words);
  }
}

if (import.meta.main) {
  await Deno.writeTextFile(
    new URL("../docs/cli.md", import.meta.url),
    cliDocs(),
  );
}
