/**
 * Runs that the dashboard starts, in processes of their own.
 *
 * @module
 */

import type { HearthConfig } from "../../config/hearth_config.ts";
import { type Launched, launchRun } from "../../run/background/launch.ts";
import { findIdleRun, queueRun } from "../../run/background/queued_run.ts";
import type { RunState } from "../../run/files/run_state.ts";
import type { Host } from "../screen.ts";

/** What the review tells of a start, and is told. */
export interface StartOptions {
  onState: (state: RunState) => void;
  /** Ends the waiting. */
  signal: AbortSignal;
}

/**
 * Starts a new run.
 *
 * @param options.args Of the command line that does the same.
 * @throws {UserError} What is wrong with it, also in the other process.
 */
export async function launchNewRun(
  host: Host,
  { config, args, runId, ...options }: StartOptions & {
    config: HearthConfig;
    args: readonly string[];
    runId?: string;
  },
): Promise<Launched> {
  const { root } = host;
  const commandLine = ["hearth", ...args];
  const run = await queueRun({ root, config, commandLine, runId });
  return await launch(host, { run, args, ...options });
}

/**
 * Lets a run go on.
 *
 * @throws {UserError} As above.
 */
export async function launchResume(
  host: Host,
  { runId, args, ...options }: StartOptions & {
    runId: string;
    args: readonly string[];
  },
): Promise<Launched> {
  const run = await findIdleRun(host.root, runId);
  return await launch(host, { run, args, ...options });
}

async function launch(
  host: Host,
  { run, args, onState, signal }: StartOptions & {
    run: Parameters<typeof launchRun>[0]["run"];
    args: readonly string[];
  },
): Promise<Launched> {
  return await launchRun({
    run,
    start: (where) => host.startAgain({ ...where, args }),
    onState,
    signal,
  });
}
