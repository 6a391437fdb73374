/**
 * Events as lines of text: what a console that is no terminal shows, and
 * `train.log` keeps. Pure.
 *
 * @module
 */

import {
  countOf,
  formatApprox,
  formatBytes,
  formatCount,
  formatDuration,
} from "../base/format.ts";
import { formatChange } from "../config/config_change.ts";
import type { TrainEvent } from "../train/events.ts";
import type { RunEvent, RunOpened } from "./run_event.ts";

/** The lines that an event adds, without newline; often none. */
export function logLines(event: RunEvent): string[] {
  switch (event.kind) {
    case "opened":
      return openedLines(event);
    case "step":
      return event.log ? [stepLine(event)] : [];
    case "eval":
      return [evalLine(event)];
    case "checkpoint":
      return [checkpointLine(event)];
    case "warning":
      // What goes on and on is in `state.json`; saying it once is enough.
      return event.replaces ? [] : [`warning: ${event.message}`];
    case "done":
      return [doneLine(event)];
    case "created":
    case "start":
    case "closed":
      return [];
  }
}

/** `cpu: AMD EPYC 7763, 8 threads`. */
export function formatDevice(
  { id, name, threads }: RunOpened["device"],
): string {
  const suffix = threads === undefined
    ? ""
    : `, ${threads} thread${threads === 1 ? "" : "s"}`;
  return `${id}: ${name}${suffix}`;
}

function openedLines(event: RunOpened): string[] {
  const { config, resumedFrom } = event;
  const { model, train, data } = config;
  return [
    `run     ${event.runId} in ${event.dir}` +
    (resumedFrom ? `, resumed from ${resumedFrom.checkpoint}` : ""),
    `device  ${formatDevice(event.device)}, ` +
    (event.device.precision ?? "fp32"),
    `model   ${model.arch}, ${formatApprox(event.parameterCount)} parameters ` +
    `(nLayer ${model.nLayer}, nHead ${model.nHead}, nEmbd ${model.nEmbd}, ` +
    `seqLen ${model.seqLen})`,
    ...loraLines(event),
    `memory  ${formatBytes(event.memoryBytes)} to train, ` +
    `${formatBytes(event.checkpointBytes)} on disk per checkpoint`,
    `data    ${sourceNames(data.dataset)}: ${formatCount(event.trainTokens)} ` +
    `tokens to train on, ${formatCount(event.valTokens)} to validate on`,
    `plan    ${countOf(event.totalSteps, "step")} of ` +
    `${formatCount(train.batchSize * train.gradAccumSteps * model.seqLen)} ` +
    `tokens = ${event.epochs.toFixed(2)} epochs`,
    ...changedLines(event),
  ];
}

/** What is trained, where that is not the whole model. */
function loraLines({ lora, trainableCount, config }: RunOpened): string[] {
  if (lora === null) return [];
  const { rank, alpha, targets } = lora;
  return [
    `lora    rank ${rank}, alpha ${alpha} on ${targets.join(", ")}: ` +
    `${formatApprox(trainableCount)} parameters to train, beside those of ` +
    `${config.from}`,
  ];
}

/** What was decided, what is not as before, and the rate that follows. */
function changedLines(event: RunOpened): string[] {
  const { isExtended, changes, notes, resumedFrom } = event;
  const lines = changes.map((change) => `change  ${formatChange(change)}`);
  if (isExtended) {
    const from = resumedFrom?.step ?? 0;
    const steps = event.totalSteps - from;
    lines.unshift(
      `more    ${countOf(steps, "step")} = ` +
        `${(steps / event.stepsPerEpoch).toFixed(2)} epochs, from step ` +
        formatCount(from),
    );
  }
  lines.push(...notes.map((note) => `note    ${note}`));
  if (lines.length > 0 && resumedFrom) lines.push(...rateLines(event));
  return lines;
}

/** In words, then as points; a rate that never changes needs no points. */
function rateLines({ isExtended, lrPlan }: RunOpened): string[] {
  const { schedule, policy, points } = lrPlan;
  const how = isExtended ? ` (--lr-policy ${policy ?? "continue"})` : "";
  const rate = (lr: number) => lr.toExponential(1);
  if (points.every(({ lr }) => lr === points[0].lr)) {
    return points.slice(0, 1).map(({ lr }) =>
      `rate    ${rate(lr)} to the end${how}`
    );
  }
  const words = policy === "rewarm"
    ? `warms up again, then the ${schedule} schedule`
    : `goes on with the ${schedule} schedule`;
  const at = points.map(({ step, lr }) =>
    `${rate(lr)} at step ${formatCount(step)}`
  );
  return [`rate    ${words}${how}`, `        ${at.join(", ")}`];
}

/** Sources as they are written on the command line. */
function sourceNames(dataset: RunOpened["config"]["data"]["dataset"]): string {
  return [dataset].flat().map((one) =>
    typeof one === "string"
      ? one
      : one.source + (one.weight === undefined ? "" : `:${one.weight}`)
  ).join(", ");
}

type Kind<K extends TrainEvent["kind"]> = Extract<TrainEvent, { kind: K }>;

function stepLine(event: Kind<"step">): string {
  return [
    position("step", event),
    `loss ${event.trainLoss.toFixed(4)}`,
    `norm ${event.gradNorm.toFixed(2)}`,
    `lr ${event.lr.toExponential(1)}`,
    `${formatCount(event.tokensPerSec).padStart(7)} tok/s`,
    `eta ${formatDuration(event.remainingMs)}`,
  ].join(" | ");
}

function evalLine(event: Kind<"eval">): string {
  return [
    position("eval", event),
    `val loss ${event.valLoss.toFixed(4)}`,
    `${event.valBpb.toFixed(4)} bits/byte`,
    event.best ? "best so far" : `best ${event.bestValLoss.toFixed(4)}`,
    ...event.sources.map(({ name, valLoss }) =>
      `${shortName(name)} ${valLoss.toFixed(4)}`
    ),
  ].join(" | ");
}

/** The end of a path, which tells it from others in a narrow line. */
function shortName(source: string): string {
  return source.split(/[/\\]/).findLast((part) => part !== "") ?? source;
}

function checkpointLine(event: Kind<"checkpoint">): string {
  return [
    position("save", event),
    event.name,
    formatBytes(event.sizeBytes),
    ...event.best ? ["best so far"] : [],
  ].join(" | ");
}

const DONE: Record<Kind<"done">["reason"], string> = {
  finished: "finished",
  stopped: "stopped on request",
  earlyStop: "stopped early, the validation loss no longer falls",
};

function doneLine(event: Kind<"done">): string {
  return [
    position("done", event),
    DONE[event.reason],
    `${formatCount(event.tokens)} tokens in ${formatDuration(event.elapsedMs)}`,
  ].join(" | ");
}

/** `step  120/2000`: aligned for the length of the run. */
function position(word: string, { step, totalSteps }: TrainEvent): string {
  const width = String(totalSteps).length;
  return `${word} ${String(step).padStart(width)}/${totalSteps}`;
}
