/**
 * What a report on runs shows: results, settings, every curve, samples.
 *
 * Curves of any length are brought down to {@linkcode MOST_POINTS} points, so
 * that the page stays small; a point is then the mean of a few rows.
 *
 * @module
 */

import type { HearthConfig } from "../config/hearth_config.ts";
import {
  type EvalMetric,
  readMetrics,
  type StepMetric,
} from "../run/files/metrics.ts";
import { runPaths } from "../run/files/run_paths.ts";
import { readRun } from "../run/files/runs.ts";
import { compareRuns, type Comparison } from "../run/watch/comparison.ts";

/** Points of a curve; a screen has about as many columns. */
const MOST_POINTS = 2000;

/** What a model wrote at a checkpoint, or why it did not. */
export type ReportSample =
  & {
    /** Such as `step-00000500`. */
    checkpoint: string;
  }
  & ({ prompt: string; text: string } | { problem: string });

/** Values by the name of a quantity, one for each point; null is unknown. */
export type Columns = Record<string, (number | null)[]>;

/** One run of a report. */
export interface ReportRun {
  runId: string;
  startedAt: string | null;
  commandLine: readonly string[];
  config: HearthConfig | null;
  /** Logged steps: `step`, `tokens`, `seconds`, and what was measured. */
  steps: Columns;
  /** Evaluations. */
  evals: Columns;
  /** Rows of the metrics behind each point of `steps`; 1: all are shown. */
  rowsPerPoint: number;
  /** Null: none were asked for. Empty: the run keeps no checkpoint. */
  samples: readonly ReportSample[] | null;
}

/** All of a report. */
export interface Report {
  comparison: Comparison;
  runs: ReportRun[];
}

/**
 * Reads the runs.
 *
 * @param samples Of each run that was asked for some, by its id.
 * @throws {UserError} If of one of them neither state nor settings can be
 * read.
 */
export async function collectReport(
  root: string,
  runIds: readonly string[],
  samples: Readonly<Record<string, readonly ReportSample[]>> = {},
): Promise<Report> {
  const comparison = await compareRuns(root, runIds);
  const runs: ReportRun[] = [];
  for (const runId of runIds) { // one after another: they may be large
    const { meta, startedAt } = await readRun(root, runId);
    const steps: StepMetric[] = [], evals: EvalMetric[] = [];
    try {
      for await (const row of readMetrics(runPaths(root, runId).metrics)) {
        if (row?.kind === "step") steps.push(row);
        else if (row?.kind === "eval") evals.push(row);
      }
    } catch {
      // compareRuns has told of it in a note.
    }
    const rowsPerPoint = Math.max(1, Math.ceil(steps.length / MOST_POINTS));
    runs.push({
      runId,
      startedAt,
      commandLine: meta?.commandLine ?? [],
      config: meta?.config ?? null,
      steps: columns(steps, STEP_COLUMNS, rowsPerPoint),
      evals: columns(
        evals,
        EVAL_COLUMNS,
        Math.max(1, Math.ceil(evals.length / MOST_POINTS)),
      ),
      rowsPerPoint,
      samples: samples[runId] ?? null,
    });
  }
  return { comparison, runs };
}

type Getter<T> = (row: T) => number | null;

const STEP_COLUMNS: Record<string, Getter<StepMetric>> = {
  step: (row) => row.step,
  tokens: (row) => row.tokens,
  seconds: (row) => row.elapsedMs / 1000,
  trainLoss: (row) => row.trainLoss,
  lr: (row) => row.lr,
  gradNorm: (row) => row.gradNorm,
  tokensPerSec: (row) => row.tokensPerSec,
  cpuPct: ({ telemetry }) => telemetry.machineCpuPct ?? telemetry.cpuPct,
  rssBytes: ({ telemetry }) => telemetry.rssBytes,
  gpuUtilPct: ({ telemetry }) => telemetry.gpuUtilPct,
  vramUsedBytes: ({ telemetry }) => telemetry.vramUsedBytes,
  powerW: ({ telemetry }) => telemetry.powerW,
  tempC: ({ telemetry }) => telemetry.tempC,
};

const EVAL_COLUMNS: Record<string, Getter<EvalMetric>> = {
  step: (row) => row.step,
  tokens: (row) => row.tokens,
  seconds: (row) => row.elapsedMs / 1000,
  valLoss: (row) => row.valLoss,
  valBpb: (row) => row.valBpb,
};

/** One array for each quantity that is known somewhere. */
function columns<T>(
  rows: readonly T[],
  getters: Record<string, Getter<T>>,
  rowsPerPoint: number,
): Columns {
  const result: Columns = {};
  for (const [name, get] of Object.entries(getters)) {
    const values: (number | null)[] = [];
    for (let from = 0; from < rows.length; from += rowsPerPoint) {
      values.push(meanOf(rows.slice(from, from + rowsPerPoint).map(get)));
    }
    if (values.some((value) => value !== null)) result[name] = values;
  }
  return result;
}

/** Of the values that are known. */
function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}
