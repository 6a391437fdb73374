/**
 * `state.json`: where a run stands, for every program that asks.
 *
 * The file is replaced whole, so a reader sees one moment, never half of two.
 * Unknown values are null.
 *
 * @module
 */

import { basename } from "node:path";
import { z } from "zod";
import { errorMessage } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";
import { readJson } from "../../base/json_file.ts";
import { refuseLater } from "../../base/later_version.ts";
import { isAlive } from "../process/process_info.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { isLocked } from "./lock.ts";
import type { RunPaths } from "./run_paths.ts";

/** Where a run is in its life; `interrupted` is one whose process is gone. */
export type RunStatus =
  | "queued"
  | "preparing"
  | "running"
  | "stopping"
  | "completed"
  | "stopped"
  | "failed"
  | "interrupted";

/** Life cycle of a run. */
const RUN_STATUSES = [
  "queued",
  "preparing",
  "running",
  "stopping",
  "completed",
  "stopped",
  "failed",
  "interrupted",
] as const satisfies readonly RunStatus[];

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
  /** Bytes, where that is what is counted; a total of 0 is not known. */
  bytes?: { done: number; total: number } | null;
}

/** The object in `state.json`. Losses are nats per token. */
export interface RunState {
  /** Format of the file. */
  version: 1;
  /** The name of its directory. */
  runId: string;
  /** Where it is in its life. */
  status: RunStatus;
  /** Process that trains, or did last. */
  pid: number | null;
  /** When that began: ids come again. ISO 8601. */
  processStartedAt: string | null;
  /** The process is at work; found out anew whenever the state is read. */
  alive: boolean;
  /** What is being done before the training; null at other times. */
  preparing: Preparing | null;
  /** Such as `cpu: AMD EPYC 7763, 8 threads`. */
  device: string | null;
  /** As configured: `auto`, `gpu:1` … */
  requestedDevice: string | null;
  /** Arithmetic of the matrix products in use: `fp32`, `bf16`, `fp16`. */
  precision: string | null;
  /** Passes over the training data so far, with fraction. */
  epoch: number | null;
  /** The same at the end of the run. */
  epochs: number | null;
  /** Optimizer steps done. */
  step: number | null;
  /** Steps at which the run ends. */
  totalSteps: number | null;
  /** Of the last step. */
  trainLoss: number | null;
  /** Of the last evaluation. */
  valLoss: number | null;
  /** The lowest so far. */
  bestValLoss: number | null;
  /** Learning rate of the last step. */
  lr: number | null;
  /** Norm of all gradients of the last step, before clipping. */
  gradNorm: number | null;
  /** Of the recent steps. */
  tokensPerSec: number | null;
  /** Training time of all sessions. */
  elapsedMs: number | null;
  /** Time to the end; null while there is too little history. */
  remainingMs: number | null;
  /** When that will be; ISO 8601. */
  etaAt: string | null;
  /** Training tokens seen, of all sessions. */
  tokens: number | null;
  /** Directory name, such as `step-00000500`. */
  lastCheckpoint: string | null;
  /** The newest ones of this session. */
  warnings: string[];
  /** Why the run failed. */
  error: string | null;
  /** What training takes from the machine. */
  telemetry: Telemetry;
  /** When this was written; ISO 8601. */
  updatedAt: string;
}

/** The state of a run of which nothing is known yet. */
export function initialRunState(runId: string, status: RunStatus): RunState {
  return {
    version: 1,
    runId,
    status,
    pid: null,
    processStartedAt: null,
    alive: false,
    preparing: null,
    device: null,
    requestedDevice: null,
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
 * @throws {Error} If the file cannot be read or does not hold a state.
 */
export async function loadRunState(
  paths: RunPaths,
): Promise<RunState | undefined> {
  let state = await readState(paths);
  while (state && isActive(state.status)) {
    if (await isTraining(paths, state)) return { ...state, alive: true };
    // It may have ended between the two looks: its last word counts.
    const last = await readState(paths);
    const isSame = last?.updatedAt === state.updatedAt &&
      last.status === state.status;
    if (isSame) return interrupted(state);
    state = last;
  }
  return state && { ...state, alive: false };
}

/** What is left of a run whose process is gone. */
function interrupted(state: RunState): RunState {
  return {
    ...state,
    status: "interrupted",
    alive: false,
    preparing: null,
    remainingMs: null,
    etaAt: null,
    telemetry: NO_TELEMETRY,
  };
}

async function isTraining(
  { lock }: RunPaths,
  { status, pid, processStartedAt }: RunState,
): Promise<boolean> {
  const locked = await isLocked(lock);
  // A run that is queued is not locked yet; its state names who queued it.
  if (locked || locked === false && status !== "queued") return locked;
  return pid !== null && await isAlive({ pid, processStartedAt });
}

async function readState(
  { state: path, dir }: RunPaths,
): Promise<RunState | undefined> {
  let value: unknown;
  try {
    value = await readJson(path);
  } catch (cause) {
    const why = cause instanceof SyntaxError
      ? "it is not JSON"
      : ioProblem(cause) ?? errorMessage(cause);
    throw new Error(`Cannot read "${path}": ${why}`, { cause });
  }
  if (value === undefined) return undefined;
  refuseLater(value, path, { known: 1 });
  const { success, data, error } = stateSchema.safeParse(value);
  // A run is called by its directory, which people rename and copy.
  if (success) return { ...data, runId: basename(dir) };
  const [{ path: field, message }] = error.issues;
  const where = field.length > 0 ? `"${field.join(".")}": ` : "";
  throw new Error(`Cannot read "${path}": ${where}${message}`);
}

const text = z.string().nullable().default(null);
const number = z.number().nullable().default(null);

/** What another version of the program does not write is unknown. */
const stateSchema = z.looseObject({
  version: z.literal(1).default(1), // the first states had none
  runId: z.string(),
  status: z.enum(RUN_STATUSES),
  pid: z.int().min(1).nullable().default(null),
  processStartedAt: text,
  alive: z.boolean().default(false),
  preparing: z.looseObject({ stage: z.string(), fraction: number })
    .nullable().default(null),
  device: text,
  requestedDevice: text,
  precision: text,
  epoch: number,
  epochs: number,
  step: number,
  totalSteps: number,
  trainLoss: number,
  valLoss: number,
  bestValLoss: number,
  lr: number,
  gradNorm: number,
  tokensPerSec: number,
  elapsedMs: number,
  remainingMs: number,
  etaAt: z.iso.datetime().nullable().default(null),
  tokens: number,
  lastCheckpoint: text,
  warnings: z.array(z.string()).default([]),
  error: text,
  telemetry: z.looseObject({
    gpuUtilPct: number,
    vramUsedBytes: number,
    vramTotalBytes: number,
    powerW: number,
    tempC: number,
    cpuPct: number,
    machineCpuPct: number,
    rssBytes: number,
  }).default({ ...NO_TELEMETRY }),
  updatedAt: z.iso.datetime(),
});
