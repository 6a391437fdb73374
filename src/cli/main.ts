/**
 * The way in and out: runs one command line, prints what went wrong, and says
 * what the process should end with.
 *
 * @module
 */

import { CommanderError } from "commander";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { App } from "./app.ts";
import type { Io } from "./io.ts";
import { createProgram } from "./program.ts";
import { Stopped } from "./stop.ts";

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
  try {
    const program = createProgram(app);
    await program.parseAsync(askedFor(argv), { from: "user" });
    return app.exitCode;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.ok;
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (error instanceof Stopped) {
      app.note("stopped, nothing was kept");
      return EXIT.stopped;
    }
    const { message, hint, exitCode } = explain(error, app);
    try {
      io.stderr.write(`${app.paint("red", "error:")} ${message}\n`);
      if (hint) io.stderr.write(`${app.paint("cyan", "hint:")} ${hint}\n`);
    } catch {
      // Nobody reads stderr; the exit code still tells.
    }
    return exitCode;
  }
}

/** `hearth` alone and `hearth help train` ask for help. */
function askedFor(argv: readonly string[]): readonly string[] {
  if (argv.length === 0) return ["--help"];
  return argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
}

/** What is printed for an error. */
interface Explanation {
  message: string;
  hint: string;
  exitCode: number;
}

function explain(error: unknown, app: App): Explanation {
  if (error instanceof UserError) return error;
  if (error instanceof CommanderError) return explainUsage(error);
  const message = errorMessage(error);
  const system = SYSTEM_HINTS.find(([pattern]) => pattern.test(message));
  if (system) return { message, hint: system[1], exitCode: EXIT.failed };
  if (app.io.env("HEARTH_DEBUG") && error instanceof Error) {
    app.io.stderr.write(`${error.stack}\n`);
  }
  return {
    message: `Something went wrong that should not: ${message}`,
    hint: "set HEARTH_DEBUG=1 to see where, and report it",
    exitCode: EXIT.failed,
  };
}

/** Troubles of the machine that no layer has put into better words. */
const SYSTEM_HINTS: [RegExp, string][] = [
  [/no space left|os error (28|112)\b/i, "free some space, or use --root DIR"],
  [/read-only file system|os error 30\b/i, "use --root DIR on another disk"],
  [/permission denied|os error 13\b/i, "check permissions, or use --root DIR"],
  [/too many open files|os error 24\b/i, "raise the limit: ulimit -n 4096"],
];

/** Puts commander's messages into our form. */
function explainUsage(error: CommanderError): Explanation {
  const exitCode = EXIT.usage;
  if (error.code === "commander.help") {
    return { message: "Nothing to do: name a command", hint: "", exitCode };
  }
  const [first, ...rest] = error.message.replace(/^error: /, "").split("\n");
  const meant = /Did you mean (.*)\?/i.exec(rest.join(" "));
  const message = first[0].toUpperCase() + first.slice(1).replaceAll("'", '"');
  return {
    message,
    hint: meant ? `did you mean ${meant[1]}?` : "see hearth --help",
    exitCode,
  };
}
