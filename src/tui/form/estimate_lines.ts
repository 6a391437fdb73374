/**
 * What a run will take, as lines. Pure.
 *
 * @module
 */

import {
  formatApprox,
  formatBytes,
  formatCount,
  formatDuration,
  formatUnequalBytes,
  UNKNOWN,
} from "../../base/format.ts";
import type { RunEstimate, TrialResult } from "../../train/estimate.ts";
import { bold, fields, type Line, type Span, span } from "../text/line.ts";

/** What is known so far. */
export interface EstimateView {
  /** Null while it is computed. */
  estimate: RunEstimate | null;
  /** What came of trying it; null: nobody has. */
  trial: TrialResult | "running" | { problem: string } | null;
  freeDiskBytes: number | null;
}

/** The figures, one a line. */
export function estimateLines(view: EstimateView): Line[] {
  const { estimate, freeDiskBytes } = view;
  if (estimate === null) return [[span("estimating …", "dim")]];
  const { parameterCount, trainableCount, memoryBytes, diskBytes } = estimate;
  const { tokensPerStep } = estimate;
  const isScarce = freeDiskBytes !== null && freeDiskBytes < diskBytes;
  const [disk, free] = isScarce
    ? formatUnequalBytes(diskBytes, freeDiskBytes)
    : [formatBytes(diskBytes), formatBytes(freeDiskBytes)];
  return fields([
    [
      "parameters",
      bold(formatApprox(parameterCount)),
      span(
        trainableCount === parameterCount
          ? ""
          : `, adapters of ${formatApprox(trainableCount)} are trained`,
        "dim",
      ),
    ],
    [
      "memory",
      bold(memoryBytes === null ? UNKNOWN : formatBytes(memoryBytes)),
      span(memoryBytes === null ? " (batch size auto)" : " to train", "dim"),
    ],
    [
      "disk",
      { ...bold(disk), ...(isScarce && { tone: "bad" }) },
      span(` of ${free} free`, "dim"),
      span(isScarce ? ", not enough" : "", "bad"),
    ],
    [
      "steps",
      bold(
        estimate.totalSteps === null
          ? UNKNOWN
          : `about ${formatCount(estimate.totalSteps)}`,
      ),
      span(
        tokensPerStep === null
          ? ""
          : ` of ${formatCount(tokensPerStep)} tokens`,
        "dim",
      ),
    ],
    ["time", ...timeSpans(view)],
    ...isResult(view.trial)
      ? [["device", span(view.trial.device)] as [string, Span]]
      : [],
  ]);
}

/** The same in one line, where there is no room. */
export function shortEstimate({ estimate }: EstimateView): Line {
  if (estimate === null) return [span("estimating …", "dim")];
  const { parameterCount, memoryBytes, diskBytes, totalSteps } = estimate;
  return [
    bold(formatApprox(parameterCount)),
    span(" parameters  ", "dim"),
    bold(memoryBytes === null ? UNKNOWN : formatBytes(memoryBytes)),
    span(" memory  ", "dim"),
    bold(formatBytes(diskBytes)),
    span(" disk  ", "dim"),
    bold(totalSteps === null ? UNKNOWN : `~${formatApprox(totalSteps)}`),
    span(" steps", "dim"),
  ];
}

/** Whether steps were tried. */
export function isResult(trial: EstimateView["trial"]): trial is TrialResult {
  return trial !== null && trial !== "running" && !("problem" in trial);
}

function timeSpans({ estimate, trial }: EstimateView): Span[] {
  if (trial === null) {
    return [span("t", "accent"), span(" tries some steps", "dim")];
  }
  if (trial === "running") return [span("trying some steps …", "dim")];
  if ("problem" in trial) return [span("see below", "bad")];
  const { stepMs, tokensPerSec } = trial;
  const speed = span(
    ` at ${formatCount(tokensPerSec)} tok/s` +
      (stepMs >= 1000 ? `, ${formatDuration(stepMs)} a step` : ""),
    "dim",
  );
  const totalSteps = estimate?.totalSteps ?? null;
  return [
    bold(
      totalSteps === null
        ? UNKNOWN
        : `about ${formatDuration(totalSteps * stepMs)}`,
    ),
    speed,
  ];
}
