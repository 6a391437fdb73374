/**
 * The real surroundings: this process, its streams and its environment.
 *
 * @module
 */

import { errorCode } from "../base/io_problem.ts";
import { onStopSignals } from "../run/signals.ts";
import type { Io, Sink } from "./io.ts";

/** The arguments of this process, without the program's own name. */
export const processArguments: readonly string[] = Deno.args;

/** The {@linkcode Io} of this process. */
export function processIo(): Io {
  return {
    stdout: streamSink(Deno.stdout),
    stderr: streamSink(Deno.stderr),
    stdinIsTty: Deno.stdin.isTerminal(),
    readStdin: () => new Response(Deno.stdin.readable).text(),
    columns,
    env: (name) => Deno.env.get(name) || undefined,
    onStopSignals,
    exit: (code) => Deno.exit(code),
    program: Deno.build.standalone ? "hearth" : "deno task hearth",
    commandLine: ["hearth", ...Deno.args],
  };
}

function streamSink(stream: typeof Deno.stdout): Sink {
  const encoder = new TextEncoder();
  const isTty = stream.isTerminal();
  let closed = false;
  return {
    isTty,
    write(text) {
      if (closed) return;
      const bytes = encoder.encode(text);
      try {
        // A pipe takes what it has room for.
        for (let at = 0; at < bytes.length;) {
          at += stream.writeSync(bytes.subarray(at));
        }
      } catch (error) {
        // The window was closed: nobody reads on, but a run still has to save.
        if (!isTty || errorCode(error) !== "EIO") throw error;
        closed = true;
      }
    },
  };
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal at either end
  }
}
