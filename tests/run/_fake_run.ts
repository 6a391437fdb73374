import { replaceFile } from "../../src/base/atomic_file.ts";
import { acquireLock, type RunLock } from "../../src/run/files/lock.ts";
import type { StepMetric } from "../../src/run/files/metrics.ts";
import { ownProcess } from "../../src/run/process/process_info.ts";
import { type RunPaths, runPaths } from "../../src/run/files/run_paths.ts";
import {
  initialRunState,
  type RunState,
} from "../../src/run/files/run_state.ts";
import { NO_TELEMETRY } from "../../src/run/telemetry/telemetry.ts";

/** A row of `metrics.jsonl`. */
export const stepMetric = (step: number): StepMetric => ({
  kind: "step",
  step,
  epoch: step / 100,
  tokens: 16 * step,
  elapsedMs: step,
  trainLoss: 3,
  gradNorm: 1,
  lr: 1e-3,
  dtMs: 1,
  tokensPerSec: 1000,
  skipped: false,
  telemetry: NO_TELEMETRY,
});

/** Longer than any test. */
const HOUR_MS = 3_600_000;

/**
 * The files of a run that a test writes in place of a trainer. A trainer is
 * heard of twice a second; so is this one as long as it is at work, however
 * long a test takes until its next word.
 */
export class FakeRun implements AsyncDisposable {
  readonly paths: RunPaths;
  #state: RunState;
  #lock: RunLock | null = null;

  constructor(readonly root: string, readonly runId = "owl-1") {
    this.paths = runPaths(root, runId);
    this.#state = initialRunState(runId, "preparing");
  }

  /** The process is at work. */
  async begin() {
    await Deno.mkdir(this.paths.dir, { recursive: true });
    this.#lock = await acquireLock(this.paths.lock, this.runId);
    await this.set({ status: "running", ...await ownProcess() });
  }

  async set(change: Partial<RunState>) {
    // Ahead: what is old is no word of a trainer that works.
    const updatedAt = new Date(Date.now() + HOUR_MS).toISOString();
    this.#state = { ...this.#state, updatedAt, ...change };
    await replaceFile(this.paths.state, JSON.stringify(this.#state));
  }

  async append(file: "log" | "metrics", text: string) {
    await Deno.writeTextFile(this.paths[file], text, { append: true });
  }

  /** The process is gone, whatever the state says. */
  async die() {
    await this.#lock?.release();
    this.#lock = null;
  }

  async end(status: RunState["status"]) {
    await this.set({ status, updatedAt: new Date().toISOString() });
    await this.die();
  }

  async [Symbol.asyncDispose]() {
    await this.die();
  }
}
