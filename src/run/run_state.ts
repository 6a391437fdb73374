/**
 * `state.json`: where a run stands, for every program that asks.
 *
 * The file is replaced whole, so a reader sees one moment, never half of two.
 * Unknown values are null.
 *
 * @module
 */

import { readJson } from "../base/json_file.ts";
import { isLocked } from "./lock.ts";
import { isAlive } from "./process_info.ts";
import type { RunPaths } from "./run_paths.ts";
import { NO_TELEMETRY, type Telemetry } from "./telemetry.ts";

/** Life cycle of a run. */
export const RUN_STATUSES = [
  "queued",
  "preparing",
  "running",
  "stopping",
  "completed",
  "stopped",
  "failed",
  "interrupted",
] as const;
/** One of {@linkcode RUN_STATUSES}. */
export type RunStatus = typeof RUN_STATUSES[number];

/** In these a process is at work, or was when it was killed. */
const ACTIVE: ReadonlySet<RunStatus> = new Set<RunStatus>([
  "queued",
  "preparing",
  "running",
  "stopping",
]);

/** Work before the training. */
export interface Preparing {
  /** Such as `tokenizing`. */
  stage: string;
  /** Part that is done, 0 to 1; null if unknown. */
  fraction: number | null;
}

/** The object in `state.json`. Losses are nats per token. */
export interface RunState {
  runId: string;
  status: RunStatus;
  /** Process that trains, or did last. */
  pid: number | null;
  processStartedAt: string | null;
  /** The process is at work; found out anew whenever the state is read. */
  alive: boolean;
  /** What is being done before the training; null at other times. */
  preparing: Preparing | null;
  /** Such as `cpu: AMD EPYC 7763, 8 threads`. */
  device: string | null;
  precision: string | null;
  epoch: number | null;
  epochs: number | null;
  step: number | null;
  totalSteps: number | null;
  trainLoss: number | null;
  valLoss: number | null;
  bestValLoss: number | null;
  lr: number | null;
  gradNorm: number | null;
  tokensPerSec: number | null;
  /** Training time of all sessions. */
  elapsedMs: number | null;
  remainingMs: number | null;
  etaAt: string | null;
  /** Training tokens seen, of all sessions. */
  tokens: number | null;
  /** Directory name, such as `step-00000500`. */
  lastCheckpoint: string | null;
  /** The newest ones of this session. */
  warnings: string[];
  /** Why the run failed. */
  error: string | null;
  telemetry: Telemetry;
  updatedAt: string;
}

/** The state of a run of which nothing is known yet. */
export function initialRunState(runId: string, status: RunStatus): RunState {
  return {
    runId,
    status,
    pid: null,
    processStartedAt: null,
    alive: false,
    preparing: null,
    device: null,
    precision: null,
    epoch: null,
    epochs: null,
    step: null,
    totalSteps: null,
    trainLoss: null,
    valLoss: null,
    bestValLoss: null,
    lr: null,
    gradNorm: null,
    tokensPerSec: null,
    elapsedMs: null,
    remainingMs: null,
    etaAt: null,
    tokens: null,
    lastCheckpoint: null,
    warnings: [],
    error: null,
    telemetry: NO_TELEMETRY,
    updatedAt: new Date().toISOString(),
  };
}

/** Whether a process should be at work in this status. */
export function isActive(status: RunStatus): boolean {
  return ACTIVE.has(status);
}

/**
 * The state on disk, with `alive` as it is now, and `interrupted` for a run
 * whose process is gone.
 *
 * @returns Undefined if there is no state file.
 * @throws {Error} If the file does not hold a state.
 */
export async function loadRunState(
  paths: RunPaths,
): Promise<RunState | undefined> {
  const value = await readJson(paths.state);
  if (value === undefined) return undefined;
  const state = checkedState(value);
  const alive = isActive(state.status) && await isTraining(paths, state);
  if (alive || !isActive(state.status)) return { ...state, alive };
  return {
    ...state,
    status: "interrupted",
    alive,
    preparing: null,
    remainingMs: null,
    etaAt: null,
    telemetry: NO_TELEMETRY,
  };
}

async function isTraining(
  { lock }: RunPaths,
  { pid, processStartedAt }: RunState,
): Promise<boolean> {
  const locked = await isLocked(lock);
  if (locked !== null) return locked;
  return pid !== null && await isAlive({ pid, processStartedAt });
}

/** Fields that a newer or older version lacks become unknown. */
function checkedState(value: unknown): RunState {
  const state = value as Partial<RunState> | null;
  if (
    typeof state?.runId !== "string" ||
    !RUN_STATUSES.includes(state.status as RunStatus)
  ) {
    throw new Error("state.json does not hold the state of a run");
  }
  return { ...initialRunState(state.runId, "failed"), ...state };
}
