/**
 * What is said when a run has ended, in this process or in another, or when
 * it goes on without being watched.
 *
 * @module
 */

import { formatDuration, UNKNOWN } from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import { readPointer } from "../../run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../run/files/run_paths.ts";
import type { RunState } from "../../run/files/run_state.ts";
import { WORSE_NATS } from "../../train/loop_errors.ts";
import type { App } from "../app.ts";

/** What a run came to. */
export type RunOutcome = Pick<
  RunState,
  | "runId"
  | "status"
  | "step"
  | "totalSteps"
  | "elapsedMs"
  | "trainLoss"
  | "valLoss"
  | "bestValLoss"
  | "lastCheckpoint"
>;

/** Prints the outcome and what to do next; with `--quiet`, the run's id. */
export async function printOutcome(
  app: App,
  outcome: RunOutcome,
): Promise<void> {
  if (app.quiet) return app.print(outcome.runId);
  app.print(safeText(formatOutcome(outcome)));
  const { checkpoints } = runPaths(app.root, outcome.runId);
  const best = isPastBest(outcome)
    ? await readPointer(checkpoints, "best")
    : null;
  app.note();
  app.note(safeText(nextCommands({ ...outcome, best }, app.io.program)));
}

/** Whether an earlier checkpoint is clearly better than the last one. */
function isPastBest({ valLoss, bestValLoss }: RunOutcome): boolean {
  if (valLoss === null || bestValLoss === null) return false;
  return valLoss > bestValLoss + WORSE_NATS;
}

/** Says what to do next with a run that trains in another process. */
export function noteRunning(app: App, runId: string): void {
  app.note();
  app.note("Next:");
  for (const command of ["status", "attach", "stop"]) {
    app.note(`  ${app.io.program} ${command} ${runId}`);
  }
}

/** The lines about a finished run. */
function formatOutcome(outcome: RunOutcome): string {
  const { runId, status, step, totalSteps, elapsedMs } = outcome;
  if (step === null) return `run         ${runId}, ${status} before training`;
  const loss = (value: number | null) => value?.toFixed(4) ?? UNKNOWN;
  return [
    `run         ${runId}, ${status} at step ${step}/${totalSteps} ` +
    `after ${formatDuration(elapsedMs)}`,
    `loss        train ${loss(outcome.trainLoss)}, ` +
    `val ${loss(outcome.valLoss)} (best ${loss(outcome.bestValLoss)})`,
    `checkpoint  ${outcome.lastCheckpoint ?? "none"}`,
  ].join("\n");
}

/** Commands that make sense after a run. */
function nextCommands(
  { runId, status, lastCheckpoint, best }: RunOutcome & { best: string | null },
  program: string,
): string {
  const commands = [`${program} status ${runId}`];
  if (lastCheckpoint !== null) {
    const prompt = '--prompt "Once upon a time"';
    commands.unshift(`${program} generate ${runId} ${prompt}`);
    if (best !== null) {
      commands.unshift(
        `${program} generate ${runId}/best ${prompt}   ` +
          `(${best}: val loss rose after it)`,
      );
    }
  }
  if (status !== "completed") commands.unshift(`${program} resume ${runId}`);
  return ["Next:", ...commands.map((command) => `  ${command}`)].join("\n");
}
