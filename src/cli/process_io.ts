/**
 * The real surroundings: this process, its streams and its environment.
 *
 * @module
 */

import { readCpuInfo } from "../backend/cpu/cores.ts";
import { UserError } from "../base/errors.ts";
import { errorCode, isDiskFull } from "../base/io_problem.ts";
import { BUILT_COMMIT } from "../base/version.ts";
import { BUNDLED_MODEL } from "../export/bundle/bundled_model.ts";
import { ignoreHangUps, onStopSignals } from "../run/process/signals.ts";
import type { Io, Sink } from "./io.ts";

/** The arguments of this process, without the program's own name. */
export const processArguments: readonly string[] = Deno.args;

/** Tells a process that was started again which run it trains. */
const DETACHED_RUN = "HEARTH_DETACHED_RUN";

/** The {@linkcode Io} of this process. */
export function processIo(): Io {
  const detachedRun = Deno.env.get(DETACHED_RUN) ?? null;
  if (detachedRun !== null) {
    Deno.env.delete(DETACHED_RUN); // it is not for processes of this one
    ignoreHangUps();
  }
  const bundledModel = Deno.env.get(BUNDLED_MODEL) ?? null;
  if (bundledModel !== null) giveUpPermissions();
  return {
    stdout: streamSink(Deno.stdout),
    stderr: streamSink(Deno.stderr),
    stdinIsTty: Deno.stdin.isTerminal(),
    stdin: () => Deno.stdin.readable,
    readStdin: () => new Response(Deno.stdin.readable).text(),
    confirm,
    columns: () => consoleSize().columns,
    rows: () => consoleSize().rows,
    env: (name) => Deno.env.get(name) || undefined,
    onStopSignals: (handlers) =>
      onStopSignals(handlers, { hangUps: detachedRun === null }),
    exit: (code) => Deno.exit(code),
    program: BUILT_COMMIT === null ? "deno task hearth" : "hearth",
    commandLine: ["hearth", ...Deno.args],
    detachedRun,
    ask: (mark) => prompt(mark),
    bundledModel,
    async startAgain({ runId, output, args = Deno.args }) {
      const { startDetached } = await import(
        "../run/background/detached_process.ts"
      );
      const { selfCommand } = await import("../run/process/self_command.ts");
      const { command, prefix } = await selfCommand(Deno.args);
      return await startDetached({
        command,
        args: [...prefix, ...args],
        env: { [DETACHED_RUN]: runId },
        output,
      });
    },
  };
}

/** What only generates writes, sends, starts and imports nothing. */
function giveUpPermissions(): void {
  readCpuInfo(); // as /proc is closed from then on
  for (const name of ["write", "net", "run", "import"]) {
    Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);
  }
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
        if (isTty && errorCode(error) === "EIO") {
          // The window was closed: nobody reads on, but a run still has to save.
          closed = true;
          return;
        }
        if (!isDiskFull(error)) throw error;
        throw new UserError("Cannot write what is printed: the disk is full", {
          hint: "let it go to another place than the one after >",
          cause: error,
        });
      }
    },
  };
}

async function confirm(question: string): Promise<boolean> {
  const { confirm, isCancel } = await import("@clack/prompts");
  const { default: process } = await import("node:process");
  const answer = await confirm({
    message: question,
    initialValue: false,
    output: process.stderr, // stdout is for results
  });
  return !isCancel(answer) && answer;
}

function consoleSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 }; // no terminal at either end
  }
}
