/**
 * Several runs side by side: in which settings they differ, what came of
 * them, and their validation losses at the same points. Nothing here writes.
 *
 * @module
 */

import { errorMessage, UserError } from "../../base/errors.ts";
import type { RunMeta } from "../files/meta.ts";
import { readMetrics } from "../files/metrics.ts";
import { runPaths } from "../files/run_paths.ts";
import type { RunStatus } from "../files/run_state.ts";
import { readRun, type RunInfo } from "../files/runs.ts";
import { alignCurves, type Curve, type CurveTable } from "./curve_table.ts";

/** What came of a run; null is unknown. */
export interface RunSummary {
  /** Which run. */
  runId: string;
  /** Where it is in its life. */
  status: RunStatus | null;
  /** Such as `cpu: AMD EPYC 7763, 8 threads`. */
  device: string | null;
  /** Trainable numbers. */
  parameterCount: number | null;
  /** Optimizer steps done. */
  step: number | null;
  /** Steps at which it ends. */
  totalSteps: number | null;
  /** Training tokens seen. */
  tokens: number | null;
  /** Of the last step, nats per token. */
  trainLoss: number | null;
  /** Of the last evaluation, nats per token. */
  valLoss: number | null;
  /** The lowest of all evaluations, nats per token. */
  bestValLoss: number | null;
  /** Of the last evaluation, bits per byte. */
  valBpb: number | null;
  /** Training time of all sessions. */
  elapsedMs: number | null;
  /** The median of the logged steps. */
  tokensPerSec: number | null;
}

/** A setting that is not the same in all runs. */
export interface SettingDifference {
  /** Such as `train.lr`. */
  path: string;
  /** One for each run; undefined where it is not set or not known. */
  values: unknown[];
}

/** What {@linkcode compareRuns} found. */
export interface Comparison {
  /** In the order they were asked for. */
  runs: RunSummary[];
  /** In the order of the configuration. */
  settings: SettingDifference[];
  /** What the curves show: losses of different tokens do not compare. */
  measure: "valLoss" | "valBpb";
  /** Every evaluation, one curve for each run. */
  curves: Curve[];
  /** The same at points that all runs have. */
  table: CurveTable;
  /** What the reader should know before trusting the numbers. */
  notes: string[];
}

/**
 * Compares runs.
 *
 * @param runIds Ids of existing runs.
 * @throws {UserError} If of one of them neither state nor settings can be
 * read.
 */
export async function compareRuns(
  root: string,
  runIds: readonly string[],
): Promise<Comparison> {
  const infos = await Promise.all(runIds.map((id) => readRun(root, id)));
  const notes: string[] = [];
  for (const { runId, broken, state, meta } of infos) {
    if (broken === null) continue;
    if (state === null && meta === null) {
      throw new UserError(broken, { hint: "hearth runs lists all runs" });
    }
    notes.push(`${runId}: ${broken}`);
  }
  const metas = infos.map(({ meta }) => meta);
  const sameTokens = agree(metas.map((meta) => meta?.tokenizer?.fingerprint));
  if (!sameTokens) {
    notes.push(
      "the tokenizers differ, so losses per token do not compare; bits per " +
        "byte do",
    );
  }
  if (!agree(metas.map(textOf))) {
    notes.push("the texts differ, so the losses are of different texts");
  }
  const measure = sameTokens ? "valLoss" : "valBpb";
  const measured: Measured[] = [];
  for (const { runId } of infos) { // one after another: they may be large
    measured.push(await readCurve(root, { runId, measure, notes }));
  }
  const curves = measured.map(({ curve }) => curve);
  return {
    runs: infos.map((info, i) => summary(info, measured[i])),
    settings: differingSettings(metas.map((meta) => meta?.config)),
    measure,
    curves,
    table: alignCurves(curves),
    notes,
  };
}

/** What the metrics of a run say. */
interface Measured {
  curve: Curve;
  /** Of the last evaluation. */
  valLoss: number | null;
  valBpb: number | null;
  tokensPerSec: number | null;
}

async function readCurve(
  root: string,
  { runId, measure, notes }: {
    runId: string;
    measure: Comparison["measure"];
    notes: string[];
  },
): Promise<Measured> {
  const curve: Curve = { runId, points: [] };
  const speeds: number[] = [];
  let valLoss: number | null = null, valBpb: number | null = null;
  let damaged = 0;
  try {
    for await (const row of readMetrics(runPaths(root, runId).metrics)) {
      if (row === null) damaged++;
      else if (row.kind === "step") {
        if (row.tokensPerSec !== null) speeds.push(row.tokensPerSec);
      } else {
        ({ valLoss, valBpb } = row);
        const { step, tokens, [measure]: value } = row;
        if (value !== null) curve.points.push({ step, tokens, value });
      }
    }
  } catch (error) {
    notes.push(`${runId}: Cannot read metrics.jsonl: ${errorMessage(error)}`);
  }
  if (damaged > 0) {
    const lines = damaged === 1 ? "1 line" : `${damaged} lines`;
    notes.push(`${runId}: ${lines} of metrics.jsonl cannot be read`);
  }
  return { curve, valLoss, valBpb, tokensPerSec: median(speeds) };
}

function summary(
  { runId, meta, state }: RunInfo,
  measured: Measured,
): RunSummary {
  return {
    runId,
    status: state?.status ?? null,
    device: state?.device ?? null,
    parameterCount: numberOrNull(meta?.parameterCount),
    step: state?.step ?? null,
    totalSteps: state?.totalSteps ?? null,
    tokens: state?.tokens ?? null,
    trainLoss: state?.trainLoss ?? null,
    valLoss: measured.valLoss ?? state?.valLoss ?? null,
    bestValLoss: state?.bestValLoss ?? null,
    valBpb: measured.valBpb,
    elapsedMs: state?.elapsedMs ?? null,
    tokensPerSec: measured.tokensPerSec,
  };
}

/** The paths at which the configurations that are known differ. */
function differingSettings(
  configs: readonly (object | undefined)[],
): SettingDifference[] {
  const settings = configs.map((config) => config && flattened(config));
  const paths = settings.flatMap((one) => one ? [...one.keys()] : []);
  const NOT_SET = null; // agree() leaves out what is undefined
  return [...new Set(paths)].filter((path) =>
    !agree(settings.map((one) => one && (one.get(path) ?? NOT_SET)))
  ).map((path) => ({ path, values: settings.map((one) => one?.get(path)) }));
}

/** `{ train: { lr: 1 } }` as `train.lr` -> 1; lists are values. */
function flattened(config: object, prefix = ""): Map<string, unknown> {
  return new Map(
    Object.entries(config).flatMap(([key, value]) => {
      const path = prefix + key;
      const isGroup = typeof value === "object" && value !== null &&
        !Array.isArray(value);
      return isGroup ? [...flattened(value, `${path}.`)] : [[path, value]];
    }),
  );
}

/** The digits that stand for text and split; see src/data/fingerprint.ts. */
function textOf(meta: RunMeta | null): string | undefined {
  const fingerprint: unknown = meta?.dataset?.fingerprint;
  return typeof fingerprint === "string" ? fingerprint.slice(0, 48) : undefined;
}

/** Whether the values that are known are all alike. */
function agree(values: readonly unknown[]): boolean {
  const known = values.filter((value) => value !== undefined);
  return new Set(known.map((value) => JSON.stringify(value))).size <= 1;
}

/** Of `meta.json`, only the configuration was checked. */
function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
