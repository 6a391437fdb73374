/** Runs of twelve steps in this process, and where they stand. */

import assert from "node:assert/strict";
import type { Engine } from "../../src/run/engine.ts";
import { readRun } from "../../src/run/files/runs.ts";
import type { RunEvent } from "../../src/run/run_event.ts";
import {
  type ResumeOptions,
  resumeRun,
  type RunHost,
  type StartOptions,
  startRun,
} from "../../src/run/runner.ts";
import { collectRun, testEngine, twelveSteps } from "./_helpers.ts";

/** Starts owl-1 on the test engine. */
export function start(
  root: string,
  options: Partial<StartOptions & RunHost> = {},
) {
  return startRun({
    root,
    config: twelveSteps,
    commandLine: ["hearth", "train"],
    engine: testEngine,
    ...options,
  });
}

/** Resumes it there. */
export function resume(
  root: string,
  options: Partial<ResumeOptions & RunHost> = {},
) {
  const commandLine = ["hearth", "resume"];
  return resumeRun({ root, commandLine, engine: testEngine, ...options });
}

/** Trains until `step` is done, then asks it to stop. */
export async function startAndStop(
  root: string,
  step: number,
  { engine = testEngine } = {},
): Promise<RunEvent[]> {
  const stop = new AbortController();
  const events = start(root, { signal: stop.signal, engine });
  return await collectRun(events, (event) => {
    if (event.kind === "step" && event.step === step) stop.abort();
  });
}

/** Trains until `step` is done, then walks away, as a killed process does. */
export async function startAndLeave(root: string, step: number): Promise<void> {
  for await (const event of start(root)) {
    if (event.kind === "step" && event.step === step) break;
  }
}

/** What its state says. */
export async function status(root: string, runId = "owl-1") {
  const { state, broken } = await readRun(root, runId);
  assert.equal(broken, null);
  return state!;
}

/** The engine, and how many of its sessions are open. */
export function countingEngine(): Engine & { open: number } {
  const engine = {
    ...testEngine,
    open: 0,
    async openSession(options: Parameters<Engine["openSession"]>[0]) {
      const session = await testEngine.openSession(options);
      engine.open++;
      const dispose = async () => {
        await session.dispose();
        engine.open--;
      };
      return { ...session, dispose };
    },
  };
  return engine;
}
