/**
 * What `bench:gpu` found, for people.
 *
 * @module
 */

import { formatBytes, formatCount } from "../../src/base/format.ts";
import { formatTable } from "../../src/cli/output/table.ts";
import type { Outcome } from "./parts.ts";
import type { OpTime, StepFigures } from "./step_case.ts";
import type { TuningFigures } from "./tuning.ts";

/** All of it in Markdown: steps beside each other, then each part. */
export function formatReport(outcomes: readonly Outcome[]): string {
  const text = (body: string) => `\`\`\`text\n${body}\n\`\`\``;
  return [
    "# A GPU, measured",
    ...outcomes.some(({ kind }) => kind === "step" || kind === "pytorch")
      ? ["## Steps", text(formatSteps(outcomes))]
      : [],
    ...outcomes.flatMap((one) => [`## ${one.name}`, text(formatOutcome(one))]),
  ].join("\n\n") + "\n";
}

/** One part. */
export function formatOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "peaks": {
      const { where, peaks } = outcome.found;
      return `${where.device}, Deno ${Deno.version.deno}, commit ` +
        `${where.commit}\nproducts ${peaks.tflops.toPrecision(3)} TFLOP/s, ` +
        `memory ${peaks.gbPerSec.toFixed(0)} GB/s: the least times below ` +
        `are by these`;
    }
    case "step":
      return formatStep(outcome.found);
    case "tuning":
      return formatTuning(outcome.found);
    case "pytorch": {
      const { torch, tokensPerSec, step } = outcome.found;
      return `${formatCount(tokensPerSec)} tokens/s, ` +
        `${step.medianMs.toFixed(2)} ms/step (PyTorch ${torch})`;
    }
    case "failed":
    case "left out":
      return `${outcome.kind}: ${outcome.reason}`;
  }
}

/** Tokens per second of all steps, beside PyTorch's eager of the same kind. */
function formatSteps(outcomes: readonly Outcome[]): string {
  /** PyTorch has no step in fp16 here: its bf16 is what that is set beside. */
  const key = (model?: string, precision?: string) =>
    `${model} ${precision === "fp32" ? precision : "bf16"}`;
  const peers = new Map(
    outcomes.flatMap((one) =>
      one.kind === "pytorch" && !one.found.compile
        ? [[key(one.model, one.precision), one.found.tokensPerSec]]
        : []
    ),
  );
  const rows = outcomes.flatMap((one) => {
    if (one.kind !== "step" && one.kind !== "pytorch") return [];
    const { tokensPerSec } = one.found;
    const peer = peers.get(key(one.model, one.precision));
    return [[
      one.name,
      formatCount(tokensPerSec),
      one.kind === "step"
        ? one.found.msPerStep.toFixed(2)
        : one.found.step.medianMs.toFixed(2),
      one.kind === "step" ? one.found.idealMs.toFixed(2) : "",
      peer ? (tokensPerSec / peer).toFixed(3) : "",
    ]];
  });
  return formatTable([
    ["step", "left"],
    ["tokens/s", "right"],
    ["ms", "right"],
    ["at least", "right"],
    ["of PyTorch", "right"],
  ], rows);
}

/** One case. */
function formatStep(figures: StepFigures): string {
  const { ops, msPerStep, idealMs } = figures;
  const all = (of: (op: OpTime) => number | null) =>
    ops.reduce((sum, op) => sum + (of(op) ?? NaN), 0);
  const head = `${formatCount(figures.tokensPerSec)} tokens/s, ` +
    `${msPerStep.toFixed(2)} ms/step (${figures.spreadPct.toFixed(1)} % ` +
    `apart; at least ${idealMs.toFixed(2)}), ${figures.dispatches} ` +
    `dispatches, ${formatBytes(figures.memoryBytes)}, ready in ` +
    `${figures.readySec.toFixed(1)} s`;
  if (ops.length === 0) return head;
  const number = (ms: number | null) => ms?.toFixed(3) ?? "n/a";
  const table = formatTable(
    [
      ["op", "left"],
      ["calls", "right"],
      ["ms", "right"],
      ["in order", "right"],
      ["at least", "right"],
      ["GFLOP", "right"],
      ["MB", "right"],
    ],
    [...ops, {
      op: "all",
      dispatches: figures.dispatches,
      ms: all((op) => op.ms),
      inOrderMs: ops[0]?.inOrderMs === null ? null : all((op) => op.inOrderMs),
      idealMs,
      gflop: all((op) => op.gflop),
      megabytes: all((op) => op.megabytes),
    }].map((op) => [
      op.op,
      `${op.dispatches}`,
      number(op.ms),
      number(op.inOrderMs),
      number(op.idealMs),
      op.gflop.toFixed(1),
      op.megabytes.toFixed(0),
    ]),
  );
  return `${head}\n${table}`;
}

/** Sites, each with what was timed, the fastest first, and what is chosen. */
function formatTuning({ timed, chosen }: TuningFigures): string {
  const named = (ways: TuningFigures["timed"][number]["ways"]) =>
    ways.toSorted((a, b) => a.ms - b.ms)
      .map(({ way, ms }) => `  ${ms.toFixed(3).padStart(9)} ms  ${way}`);
  return [
    ...timed.flatMap(({ site, ways }) => [site, ...named(ways)]),
    "",
    "chosen",
    ...Object.entries(chosen).map(([site, way]) => `  ${site}: ${way}`),
  ].join("\n");
}
