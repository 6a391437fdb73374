/**
 * Puts a completion script where a shell finds it, in the user's own folders.
 *
 * Profiles of shells are people's own files: none is written to. What has to
 * be added to one is said.
 *
 * @module
 */

import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { makeDirectories, replaceFile } from "../../base/atomic_file.ts";
import { UserError } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";

/** The shells that there are scripts for. */
export type Shell = "bash" | "zsh" | "fish" | "powershell";

/** Where a script is, and what the person does next. */
export interface InstalledCompletions {
  /** The file. */
  path: string;
  /** One sentence. */
  activate: string;
}

/**
 * Writes the script, replacing an older one.
 *
 * @param options.env Reads a variable: those of the XDG base directories.
 * @throws {UserError} If the file cannot be written.
 */
export async function installCompletions(
  shell: Shell,
  script: string,
  { env }: { env: (name: string) => string | undefined },
): Promise<InstalledCompletions> {
  const home = env("HOME") ?? homedir();
  const data = env("XDG_DATA_HOME") ?? join(home, ".local", "share");
  const config = env("XDG_CONFIG_HOME") ?? join(home, ".config");
  const { path, activate } = placeOf(shell, { data, config });
  try {
    await makeDirectories(dirname(path));
    await replaceFile(path, new TextEncoder().encode(script));
  } catch (cause) {
    const problem = ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot write "${path}": ${problem}`, {
      hint: `hearth completions ${shell} prints it, to be kept elsewhere`,
      cause,
    });
  }
  return { path, activate };
}

/** bash-completion and fish look there by themselves; the others are told. */
function placeOf(
  shell: Shell,
  { data, config }: { data: string; config: string },
): InstalledCompletions {
  const anew = "A new shell completes hearth";
  switch (shell) {
    case "bash":
      return {
        path: join(data, "bash-completion", "completions", "hearth"),
        activate: `${anew}, if the package bash-completion is there`,
      };
    case "fish":
      return {
        path: join(config, "fish", "completions", "hearth.fish"),
        activate: anew,
      };
    case "zsh": {
      const path = join(data, "zsh", "site-functions", "_hearth");
      return {
        path,
        activate: `${anew} with this line in ~/.zshrc, before compinit: ` +
          `fpath=("${dirname(path)}" $fpath)`,
      };
    }
    case "powershell": {
      const path = join(data, "hearth", "completions.ps1");
      return {
        path,
        activate: `${anew} with this line in $PROFILE: . "${path}"`,
      };
    }
  }
}
