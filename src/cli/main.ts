/**
 * The way in and out: runs one command line, prints what went wrong, and says
 * what the process should end with.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { CommanderError } from "commander";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { safeText } from "../base/safe_text.ts";
import { App } from "./app.ts";
import { canShowScreens, type Io } from "./io.ts";
import { createProgram } from "./program.ts";
import { Stopped } from "./stop_signal.ts";
import {
  checkValues,
  explainUsage,
  type Explanation,
} from "./usage/usage_error.ts";

/**
 * Runs the command line.
 *
 * @param argv What follows the program's name.
 * @returns The exit code.
 */
export async function runCli(
  argv: readonly string[],
  io: Io,
): Promise<number> {
  const app = new App(io);
  let program = createProgram(app);
  try {
    let asked = argv;
    if (io.bundledModel === null) {
      asked = askedFor(argv, io);
    } else {
      const { createBundledProgram } = await import("./bundled.ts");
      program = await createBundledProgram(app);
    }
    checkValues(program, asked);
    await program.parseAsync(asked, { from: "user" });
    return app.goOnWith === null
      ? app.exitCode
      : await runCli(app.goOnWith, io);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return app.exitCode;
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (error instanceof Stopped) {
      try {
        app.note("stopped, nothing was kept");
      } catch {
        // Nobody reads stderr; the exit code still tells.
      }
      return EXIT.stopped;
    }
    const { message, hint, exitCode } = error instanceof UserError
      ? error
      : error instanceof CommanderError
      ? explainUsage(error, program, argv)
      : explainUnexpected(error);
    try {
      // A message may quote what was typed, or what a damaged file holds.
      const [what, advice] = [message, asTyped(hint, program, io)].map(
        safeText,
      );
      io.stderr.write(`${app.paint("red", "error:")} ${what}\n`);
      io.stderr.write(`${app.paint("cyan", "hint:")} ${advice}\n`);
      if (error instanceof Error && io.env("HEARTH_DEBUG")) {
        io.stderr.write(`${safeText(error.stack ?? "")}\n`);
      }
    } catch {
      // Nobody reads stderr; the exit code still tells.
    }
    return exitCode;
  }
}

/**
 * `hearth help train` asks for help, and so does `hearth` alone where there
 * is no terminal for the dashboard.
 */
function askedFor(argv: readonly string[], io: Io): readonly string[] {
  if (argv[0] === "help") return [...argv.slice(1), "--help"];
  if (!ONLY_WHERE.test(argv.join("\0"))) return argv;
  if (canShowScreens(io)) return [...argv, "tui"];
  return argv.length === 0 ? ["--help"] : argv;
}

/** No command: nothing but where runs are, and without colors. */
const ONLY_WHERE = /^(--no-color(\0|$)|--root(=|\0)[^\0]+(\0|$))*$/;

/** A hint as it can be pasted: from sources, `hearth` is no command. */
function asTyped(
  hint: string,
  { commands }: CommandUnknownOpts,
  { program }: Io,
): string {
  const names = new Set(commands.map((command) => command.name()));
  return hint.replaceAll(
    /(?<![\w./\\-])hearth (?=([a-z]+))/g,
    (typed, name) => names.has(name) ? `${program} ` : typed,
  );
}

/** Troubles of the machine that no layer has put into better words. */
const SYSTEM_HINTS: [pattern: RegExp, hint: string][] = [
  [/no space left|os error (28|112)\b/i, "free some space, or use --root DIR"],
  [/read-only file system|os error 30\b/i, "use --root DIR on another disk"],
  [/permission denied|os error 13\b/i, "check permissions, or use --root DIR"],
  [/\bmkdir '/, "use --root DIR, where directories can be made"],
  [/^Requires \w+ access/, "start Deno with what docs/security.md lists"],
  [/too many open files|os error 24\b/i, "raise the limit: ulimit -n 4096"],
];

function explainUnexpected(error: unknown): Explanation {
  const message = errorMessage(error);
  const system = SYSTEM_HINTS.find(([pattern]) => pattern.test(message));
  if (system) return { message, hint: system[1], exitCode: EXIT.failed };
  return {
    message: `Something went wrong that should not: ${message}`,
    hint: "set HEARTH_DEBUG=1 to see where, and report it",
    exitCode: EXIT.failed,
  };
}
