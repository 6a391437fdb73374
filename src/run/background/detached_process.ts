/**
 * Processes that outlive the one that starts them, its terminal and its
 * shell.
 *
 * They lead a session of their own, so no key press and no hang-up reaches
 * them. What they print goes to a file: a pipe would break with its reader.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage, UserError } from "../../base/errors.ts";
import { explainingIo } from "../files/explaining_io.ts";

/** How a process ended; one of code and signal is null. */
export interface ProcessEnd {
  code: number | null;
  /** Such as `SIGKILL`. */
  signal: string | null;
  /** What it printed. */
  output: string;
}

/** A process that was started. */
export interface DetachedProcess {
  pid: number;
  /** Until then, Deno does not end this process by itself. */
  ended: Promise<ProcessEnd>;
}

/** What to start. */
export interface DetachOptions {
  command: string;
  args: readonly string[];
  /** Added to the environment of this process. */
  env: Record<string, string>;
  /** The file that gets what it prints, replaced if there is one. */
  output: string;
}

/**
 * Starts a process in a session of its own, in the same directory.
 *
 * @throws {UserError} If that fails, or `output` cannot be written.
 */
export async function startDetached(
  { command, args, env, output }: DetachOptions,
): Promise<DetachedProcess> {
  const dir = dirname(output);
  await explainingIo(dir, () => Deno.writeTextFile(output, ""));
  // Only Node's spawn takes an open file, and only by its number.
  const file = openSync(output, "a");
  // Opened now: a run that cannot begin takes its directory away again.
  const printed = await Deno.open(output);
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ["ignore", file, file],
      env: { ...Deno.env.toObject(), ...env },
      windowsHide: true,
    });
    const ended = new Promise<ProcessEnd>((resolve) =>
      child.once("exit", async (code, signal) => {
        const output = await new Response(printed.readable).text();
        resolve({ code, signal, output });
      })
    );
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.on("error", reject); // not once: Deno 2.9.6 says it twice
    });
    return { pid: child.pid!, ended };
  } catch (cause) {
    printed.close();
    throw new UserError(
      `Cannot start a detached process: ${errorMessage(cause)}`,
      { hint: "leave out --detach, or see hearth doctor", cause },
    );
  } finally {
    closeSync(file);
  }
}
