/**
 * Runs that screens show, made up with fixed times.
 */

import type { RunMeta } from "../../src/run/files/meta.ts";
import {
  initialRunState,
  type RunState,
} from "../../src/run/files/run_state.ts";
import type { RunInfo } from "../../src/run/files/runs.ts";
import { NO_TELEMETRY } from "../../src/run/telemetry/telemetry.ts";
import { emptyRecord, type RunRecord } from "../../src/tui/state/run_feed.ts";
import type { Line } from "../../src/tui/text/line.ts";
import { tinyConfig } from "../train/_helpers.ts";
import { lineText } from "./_line_text.ts";

/** The time on the screens. */
export const NOW = Date.parse("2026-11-27T12:00:00Z");

/** Lines as text, without spaces at their ends. */
export function textOf(lines: readonly Line[]): string {
  return lines.map((line) => lineText(line).trimEnd()).join("\n");
}

/** The state of a run half way. */
function runningState(
  runId: string,
  change: Partial<RunState> = {},
): RunState {
  return {
    ...initialRunState(runId, "running"),
    pid: 4242,
    alive: true,
    device: "cpu: AMD EPYC, 2 threads",
    requestedDevice: "auto",
    precision: "fp32",
    epoch: 0.45,
    epochs: 0.9,
    step: 1500,
    totalSteps: 3000,
    trainLoss: 2.34567,
    valLoss: 2.4,
    bestValLoss: 2.39,
    lr: 2.5e-3,
    gradNorm: 1.07,
    tokensPerSec: 16_204,
    elapsedMs: 95_000,
    remainingMs: 93_000,
    etaAt: null,
    tokens: 768_000,
    lastCheckpoint: "step-00001000",
    telemetry: { ...NO_TELEMETRY, cpuPct: 187, rssBytes: 312e6 },
    updatedAt: new Date(NOW - 300).toISOString(),
    ...change,
  };
}

/** A run as the table has it; started `ageMs` ago. */
export function runInfo(
  runId: string,
  { ageMs = 60_000, order = 1, ...change }: Partial<RunState> & {
    ageMs?: number;
    order?: number;
  } = {},
): RunInfo {
  const startedAt = new Date(NOW - ageMs).toISOString();
  return {
    runId,
    meta: { runId, order, createdAt: startedAt, config: tinyConfig({}) } as
      & Partial<RunMeta>
      & object as RunMeta,
    state: runningState(runId, change),
    broken: null,
    startedAt,
  };
}

/** A run whose files are damaged. */
export function brokenRun(runId: string): RunInfo {
  return {
    runId,
    meta: null,
    state: null,
    broken: `Cannot read "runs/${runId}/state.json": it is not JSON`,
    startedAt: null,
  };
}

/** All that a detail screen knows of the run half way. */
export function runRecord(change: Partial<RunState> = {}): RunRecord {
  const record = emptyRecord("owl-1");
  record.state = runningState("owl-1", change);
  for (let step = 10; step <= 1500; step += 10) {
    const noise = Math.sin(step) / 20;
    record.curves.trainLoss.push([step, 2 + 5 * Math.exp(-step / 300) + noise]);
    record.curves.lr.push([step, 2.5e-3 * Math.min(1, step / 100)]);
    record.curves.gradNorm.push([step, 1 + 4 * Math.exp(-step / 200)]);
    record.curves.tokensPerSec.push([step, 16_000 + 500 * Math.cos(step)]);
    record.curves.cpuPct.push([step, 187]);
    record.curves.rssBytes.push([step, 312e6]);
  }
  for (let step = 0; step <= 1500; step += 300) {
    record.curves.valLoss.push([step, 2.1 + 5 * Math.exp(-step / 300)]);
  }
  record.extent = { low: 0, high: 1500, rows: 150 };
  record.log = Array.from(
    { length: 40 },
    (_, i) => `step ${1110 + 10 * i}/3000 | loss 2.3457 | norm 1.07`,
  );
  record.checkpoints = [
    checkpoint(1000, { isLatest: true }),
    checkpoint(500, { isBest: true }),
  ];
  record.loaded = true;
  return record;
}

function checkpoint(
  step: number,
  flags: { isLatest?: boolean; isBest?: boolean },
) {
  return {
    name: `step-${String(step).padStart(8, "0")}`,
    step,
    savedAt: new Date(NOW - step * 1000).toISOString(),
    sizeBytes: 11_300_000,
    isLatest: false,
    isBest: false,
    ...flags,
  };
}
