/**
 * Runs the process of a crash test, and kills it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { Moment, Phase } from "./_phases.ts";
import type { Orders } from "./_trainee.ts";

/** When and how a process dies. */
export interface Kill extends Moment {
  /**
   * So long after the moment it is killed from outside; null: it dies in the
   * moment, by its own hand.
   */
  afterMs: number | null;
}

const SCRIPT = fileURLToPath(new URL("./_trainee.ts", import.meta.url));

/**
 * Lets a process train the run in `root`.
 *
 * @returns What it was doing when it was killed; null if it came to its end.
 * @throws {Error} If it failed by itself.
 */
export async function runTrainee(
  root: string,
  { isNew, kill }: { isNew: boolean; kill: Kill | null },
): Promise<Phase | null> {
  const byItself = kill?.afterMs === null;
  const orders: Orders = { root, isNew, killAt: byItself ? kill : null };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", SCRIPT, JSON.stringify(orders)],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const lastPhase = await watch(child, byItself ? null : kill);
  const { success, signal } = await child.status;
  const complaint = await stderr;
  if (success) return null;
  // Windows knows no signals: there a process that was killed says nothing.
  if (signal === "SIGKILL" || complaint === "") return lastPhase;
  throw new Error(complaint.trim());
}

/** Follows what the process says to its end, and kills it on the way. */
async function watch(
  child: Deno.ChildProcess,
  kill: Kill | null,
): Promise<Phase> {
  let phase: Phase = "prepare", seen = 0;
  let rest = "", timer: ReturnType<typeof setTimeout> | undefined;
  const die = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has come to its end meanwhile.
    }
  };
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      phase = line as Phase;
      if (kill?.phase !== phase || seen++ !== kill.nth) continue;
      if (kill.afterMs) timer = setTimeout(die, kill.afterMs);
      else die();
    }
  }
  clearTimeout(timer);
  return phase;
}
