/**
 * What can be done with a run from every screen that shows it.
 *
 * @module
 */

import { formatBytes, formatCount } from "../../base/format.ts";
import { stopRun } from "../../run/background/stop_run.ts";
import type { RunInfo } from "../../run/files/runs.ts";
import { findRemovable, removeRun } from "../../run/remove_run.ts";
import { explain } from "../explain.ts";
import type { Host } from "../screen.ts";
import { modelRef } from "../state/model_refs.ts";
import { FormScreen } from "./form_screen.ts";
import { GenerateScreen } from "./generate_screen.ts";
import { ResumeScreen } from "./resume_screen.ts";

/** Opens the form of a new run. @param from The model to train on. */
export function startRunForm(host: Host, from?: string): void {
  host.open(new FormScreen(host, from === undefined ? {} : { from }));
}

/**
 * Does what a key of the run says.
 *
 * @param checkpoint The one that is selected, if any.
 */
export function actOnRun(
  host: Host,
  runId: string,
  action: string,
  checkpoint?: string,
): void {
  switch (action) {
    case "resume":
      if (infoOf(host, runId)?.meta?.imported) {
        return host.say(`${runId} was imported: f trains it on`, "warn");
      }
      return host.open(new ResumeScreen(host, { runId, checkpoint }));
    case "trainOn":
      return startRunForm(host, modelRef(runId, checkpoint));
    case "generate":
      return host.open(new GenerateScreen(host, { runId, checkpoint }));
    case "stop":
      return askToStop(host, runId);
    case "delete":
      return void askToDelete(host, runId);
  }
}

function infoOf(host: Host, runId: string): RunInfo | undefined {
  return host.runs().find((run) => run.runId === runId);
}

function askToStop(host: Host, runId: string): void {
  const state = infoOf(host, runId)?.state;
  // Of a run whose state is damaged, nobody knows.
  if (state && !state.alive) return host.say(`${runId} is not running`, "warn");
  host.ask(
    `Stop ${runId}? It ends its step and saves a checkpoint.`,
    () => void stop(host, runId),
  );
}

async function stop(host: Host, runId: string): Promise<void> {
  host.say(`${runId} was asked to stop`);
  try {
    const state = await stopRun(host.root, runId, { signal: host.signal });
    host.say(
      state === null
        ? `${runId} had ended already`
        : `${runId} ${state.status} at step ${formatCount(state.step)}, ` +
          `checkpoint ${state.lastCheckpoint ?? "none"}`,
      "good",
    );
  } catch (error) {
    if (host.signal.aborted) return; // it will stop without being watched
    host.say(explain(error), "bad");
  }
}

async function askToDelete(host: Host, runId: string): Promise<void> {
  try {
    const { sizeBytes } = await findRemovable(host.root, runId);
    host.ask(
      `Remove ${runId} and its checkpoints, ${
        formatBytes(sizeBytes)
      }, for good?`,
      () => void remove(host, runId),
    );
  } catch (error) {
    host.say(explain(error), "bad");
  }
}

async function remove(host: Host, runId: string): Promise<void> {
  try {
    await removeRun(host.root, runId);
    host.say(`${runId} is removed`, "good");
  } catch (error) {
    host.say(explain(error), "bad");
  }
}
