/**
 * `metrics.jsonl`: one JSON object per logged step and per evaluation.
 *
 * Lines are appended while the run trains. When it resumes, what came after
 * its checkpoint is dropped, and so is a line that a crash or a full disk has
 * torn: the file then reads as if there had been no interruption.
 *
 * @module
 */

import { replaceFile } from "../../base/atomic_file.ts";
import { parseJson } from "../../base/parse_json.ts";
import type { SourceLoss } from "../../train/evaluate.ts";
import type { TrainEvent } from "../../train/events.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { TailFile } from "./tail_file.ts";

/** A logged step. */
export interface StepMetric {
  /** What the line is. */
  kind: "step";
  /** Counted from 1. */
  step: number;
  /** Passes over the training data so far, with fraction. */
  epoch: number;
  /** Training tokens seen so far, of all sessions. */
  tokens: number;
  /** Training time so far, of all sessions. */
  elapsedMs: number;
  /** Of this step's batch, nats per token. */
  trainLoss: number | null;
  /** Norm of all gradients, before clipping. */
  gradNorm: number | null;
  /** Learning rate. */
  lr: number;
  /** Wall time of the step. */
  dtMs: number;
  /** Null if a step took no time that the clock could see. */
  tokensPerSec: number | null;
  /** No update was made, as loss or gradient was not finite. */
  skipped: boolean;
  /** Of the time before; one look may serve several rows. */
  telemetry: Telemetry;
}

/** An evaluation. */
export interface EvalMetric {
  /** What the line is. */
  kind: "eval";
  /** Steps done. */
  step: number;
  /** Passes over the training data so far, with fraction. */
  epoch: number;
  /** Training tokens seen so far, of all sessions. */
  tokens: number;
  /** Training time so far, of all sessions. */
  elapsedMs: number;
  /** Mean over the validation text, nats per token. */
  valLoss: number | null;
  /** The same in bits per UTF-8 byte: comparable between tokenizers. */
  valBpb: number | null;
  /** Each source by itself, where there is more than one. */
  sources?: readonly SourceLoss[];
  /** Whether it is the lowest loss so far. */
  best: boolean;
  /** Wall time of the evaluation. */
  dtMs: number;
}

/** One line. Losses that are not finite are null. */
export type Metric = StepMetric | EvalMetric;

/** The line an event adds, or null for those that add none. */
export function metricOf(
  event: TrainEvent,
  telemetry: Telemetry = NO_TELEMETRY,
): Metric | null {
  const { step, epoch, tokens, kind } = event;
  const elapsedMs = Math.round(event.elapsedMs);
  if (kind === "step" && event.log) {
    const { trainLoss, gradNorm, lr, skipped } = event;
    return {
      kind,
      step,
      epoch,
      tokens,
      elapsedMs,
      trainLoss,
      gradNorm,
      lr,
      dtMs: rounded(event.dtMs),
      tokensPerSec: rounded(event.tokensPerSec),
      skipped,
      telemetry,
    };
  }
  if (kind === "eval") {
    const { valLoss, valBpb, best, sources } = event;
    const dtMs = rounded(event.dtMs);
    return {
      kind,
      step,
      epoch,
      tokens,
      elapsedMs,
      valLoss,
      valBpb,
      best,
      ...sources.length > 0 && { sources },
      dtMs,
    };
  }
  return null;
}

/** Measured times need no more than three decimals; losses keep all bits. */
function rounded(measured: number): number {
  return Math.round(measured * 1000) / 1000;
}

/**
 * The lines of the file one after another, however long it is; null for one
 * that {@linkcode parseMetric} turns down. A torn end counts for nothing.
 */
export async function* readMetrics(
  path: string,
): AsyncGenerator<Metric | null> {
  for await (const lines of linesOf(path)) {
    yield* lines.filter(Boolean).map(parseMetric);
  }
}

/** Whole lines in batches; `withRest`, also what follows the last newline. */
async function* linesOf(
  path: string,
  { withRest = false } = {},
): AsyncGenerator<string[]> {
  const file = new TailFile(path, { lastLines: Infinity });
  for (let chunk; (chunk = await file.read()) !== null;) yield chunk.lines;
  if (withRest) yield [await file.rest()];
}

/** The text that is appended for one metric. */
export function metricLine(metric: Metric): string {
  return JSON.stringify(metric) + "\n";
}

/**
 * Rewrites the file with the whole lines up to and including `lastStep`: what
 * a run that resumes there goes on from. Of a long run, it is longer than what
 * fits in memory as rows.
 */
export async function truncateMetrics(
  path: string,
  lastStep: number,
): Promise<void> {
  await replaceFile(path, keptLines(path, lastStep));
}

async function* keptLines(
  path: string,
  lastStep: number,
): AsyncGenerator<string> {
  // A crash may have torn off no more than a newline.
  for await (const lines of linesOf(path, { withRest: true })) {
    const kept = lines.filter((line) =>
      (parseLine(line)?.step ?? Infinity) <= lastStep
    );
    yield kept.map((line) => `${line}\n`).join("");
  }
}

function parseLine(line: string): Metric | null {
  try {
    const metric = parseJson(line) as Metric | null;
    return typeof metric?.step === "number" ? metric : null;
  } catch {
    return null; // torn by a crash, or the empty end of the file
  }
}

/** Fields that both kinds have, and fields that may be null. */
const COUNTERS = ["step", "epoch", "tokens", "elapsedMs", "dtMs"];
const MEASURED = {
  step: ["trainLoss", "gradNorm", "lr", "tokensPerSec"],
  eval: ["valLoss", "valBpb"],
} satisfies Record<Metric["kind"], string[]>;

/**
 * The metric on a line of the file; null if it is torn or damaged, so that
 * its reader may trust the types.
 */
export function parseMetric(line: string): Metric | null {
  const row = parseLine(line) as (Metric & Record<string, unknown>) | null;
  const kind: unknown = row?.kind; // a list of one name passes for its name
  const measured = row && typeof kind === "string" &&
      Object.hasOwn(MEASURED, kind)
    ? MEASURED[row.kind]
    : null;
  if (row === null || measured === null) return null;
  const isSound = COUNTERS.every((name) => typeof row[name] === "number") &&
    measured.every((name) =>
      row[name] === null || typeof row[name] === "number"
    );
  if (!isSound) return null;
  // Rows of older versions have no telemetry.
  return row.kind === "step"
    ? { ...row, telemetry: { ...NO_TELEMETRY, ...row.telemetry } }
    : row;
}
