/**
 * The state of a run as text: all of it for a person who asks, one line for a
 * log that follows along. Pure.
 *
 * @module
 */

import {
  formatBytes,
  formatCount,
  formatDuration,
  UNKNOWN as unknown,
} from "../../base/format.ts";
import { formatAge, formatClock } from "../../base/when.ts";
import type { RunState } from "../../run/files/run_state.ts";
import type { Telemetry } from "../../run/telemetry/telemetry.ts";
import { deviceWords } from "../../run/watch/device_words.ts";
import { formatSilence } from "../../run/watch/silence.ts";
import { formatFields } from "./table.ts";

/** So that a run in trouble still fits the screen; train.log has them all. */
const SHOWN_WARNINGS = 3;

/** The state as lines of text. @param now Milliseconds since 1970. */
export function formatStatus(state: RunState, now: number): string {
  const { step, totalSteps, epoch, epochs } = state;
  return formatFields([
    ["run", state.runId],
    ["status", statusWords(state)],
    ["device", deviceWords(state)],
    [
      "progress",
      `step ${formatCount(step)} of ${formatCount(totalSteps)}, epoch ` +
      `${epoch?.toFixed(2) ?? unknown} of ${epochs?.toFixed(2) ?? unknown}`,
    ],
    [
      "loss",
      `train ${loss(state.trainLoss)}, val ${loss(state.valLoss)} ` +
      `(best ${loss(state.bestValLoss)})`,
    ],
    [
      "speed",
      `${formatCount(state.tokensPerSec)} tok/s, ` +
      `${formatCount(state.tokens)} tokens so far`,
    ],
    ["time", timeWords(state, now)],
    ...state.alive ? [["machine", machineWords(state.telemetry)] as const] : [],
    ["checkpoint", state.lastCheckpoint ?? "none"],
    ...updatedField(state, now),
    ...warningFields(state),
    ...state.error === null ? [] : [["error", state.error] as const],
  ]);
}

/** The same of a model that was taken over: it has not been trained here. */
export function formatImported(
  { runId, lastCheckpoint, updatedAt }: RunState,
  { source, now }: { source: string; now: number },
): string {
  return formatFields([
    ["run", runId],
    ["status", `imported from ${source}`],
    ["checkpoint", lastCheckpoint ?? "none"],
    ["updated", formatAge(updatedAt, now)],
  ]);
}

/** `running | step 1200/5000 | loss 2.8123 | val loss 2.9000 | …`. */
export function formatStateLine(state: RunState): string {
  const { status, step, totalSteps } = state;
  if (step === null) return statusWords(state);
  return [
    status,
    `step ${step}/${totalSteps ?? unknown}`,
    `loss ${loss(state.trainLoss)}`,
    `val loss ${loss(state.valLoss)}`,
    ...state.alive
      ? [
        `${formatCount(state.tokensPerSec)} tok/s`,
        `eta ${formatDuration(state.remainingMs)}`,
      ]
      : [],
  ].join(" | ");
}

/** `CPU 187 %, machine 95 %, memory 312.0 MB, GPU n/a`. */
function machineWords(telemetry: Telemetry): string {
  const { cpuPct, machineCpuPct, rssBytes } = telemetry;
  return [
    `CPU ${withUnit(cpuPct, " %")}`,
    `machine ${withUnit(machineCpuPct, " %")}`,
    `memory ${formatBytes(rssBytes)}`,
    gpuWords(telemetry),
  ].join(", ");
}

/** `GPU 93 %, 4.1 GB of 16.0 GB, 200 W, 61 °C`, of what is known. */
function gpuWords(telemetry: Telemetry): string {
  const { gpuUtilPct, vramUsedBytes, vramTotalBytes } = telemetry;
  const used = vramUsedBytes === null ? [] : [
    formatBytes(vramUsedBytes) +
    (vramTotalBytes === null ? "" : ` of ${formatBytes(vramTotalBytes)}`),
  ];
  return [
    `GPU ${withUnit(gpuUtilPct, " %")}`,
    ...used,
    ...telemetry.powerW === null ? [] : [withUnit(telemetry.powerW, " W")],
    ...telemetry.tempC === null ? [] : [withUnit(telemetry.tempC, " °C")],
  ].join(", ");
}

function withUnit(value: number | null, unit: string): string {
  return value === null ? unknown : `${Math.round(value)}${unit}`;
}

function loss(value: number | null): string {
  return value?.toFixed(4) ?? unknown;
}

function statusWords({ status, alive, pid, preparing }: RunState): string {
  if (status === "interrupted") return "interrupted, its process is gone";
  if (!alive) return status;
  const done = preparing?.fraction;
  const percent = done == null ? "" : ` ${Math.floor(100 * done)} %`;
  const stage = preparing ? ` (${preparing.stage}${percent})` : "";
  return `${status}${stage}, process ${pid ?? unknown}`;
}

function timeWords(state: RunState, now: number): string {
  const { elapsedMs, remainingMs, etaAt, alive } = state;
  const trained = `${formatDuration(elapsedMs)} trained`;
  if (!alive) return trained;
  const left = formatDuration(remainingMs);
  return `${trained}, ${left} left (ETA ${formatClock(etaAt, now)})`;
}

/** When the run ended, or that it says nothing although it should. */
function updatedField(
  state: RunState,
  now: number,
): [name: string, text: string][] {
  const silence = formatSilence(state, now);
  if (silence !== null) return [["updated", silence]];
  return state.alive ? [] : [["updated", formatAge(state.updatedAt, now)]];
}

/** The newest warnings, and how many there are before them. */
function warningFields({ warnings }: RunState): [name: string, text: string][] {
  const before = warnings.length - SHOWN_WARNINGS;
  return [
    ...before > 0 ? [["warnings", `${before} more`] as [string, string]] : [],
    ...warnings.slice(-SHOWN_WARNINGS)
      .map((text): [string, string] => ["warning", text]),
  ];
}
