/**
 * The line that a terminal shows while a run trains.
 *
 * Pure, so that tests need no terminal. Logs get the lines of
 * `src/run/log_line.ts` in its place.
 *
 * @module
 */

import {
  formatBytes,
  formatCount,
  formatDuration,
  UNKNOWN,
} from "../../base/format.ts";

/** What the bar is drawn from: an event, or the state of a run. */
export interface BarValues {
  step: number;
  totalSteps: number;
  trainLoss: number | null;
  tokensPerSec: number | null;
  remainingMs: number | null;
}

/**
 * A bar with numbers, narrower than `columns`, so that no terminal wraps it:
 * `[██████▌       ]  33 %  step 165/500  loss 2.9134  8,310 tok/s  ETA 39s`
 */
export function formatBar(values: BarValues, columns: number): string {
  const { step, totalSteps, trainLoss, tokensPerSec, remainingMs } = values;
  const share = totalSteps > 0 ? step / totalSteps : 1;
  const percent = `${Math.floor(share * 100)} %`;
  const steps = String(step).padStart(String(totalSteps).length);
  const stepWords = `step ${steps}/${totalSteps}`;
  const loss = `loss ${trainLoss?.toFixed(4) ?? UNKNOWN}`;
  const speed = `${formatCount(tokensPerSec)} tok/s`;
  const eta = `ETA ${formatDuration(remainingMs)}`;
  const words = [percent.padStart(5), stepWords, loss, speed, eta].join("  ");
  const width = Math.min(30, columns - words.length - 4);
  if (width >= 5) return `[${formatBlocks(share, width)}] ${words}`;
  // Whole numbers only: half of one would be another number.
  return fitting([
    [percent, stepWords, loss, speed, eta],
    [percent, stepWords, loss, eta],
    [percent, loss, eta],
    [percent, eta],
    [percent],
  ], columns);
}

/** `[████      ]  40 %  tokenizing`, or without a bar if unknown. */
export function formatStage(
  stage: string,
  fraction: number | null,
  columns: number,
): string {
  if (fraction === null) return `${stage} …`.slice(0, Math.max(0, columns - 1));
  const percent = `${Math.floor(fraction * 100)} %`.padStart(5);
  return `[${formatBlocks(fraction, 20)}] ${percent}  ${stage}`
    .slice(0, Math.max(0, columns - 1));
}

/**
 * `[████      ]  40 %  downloading  2.8 of 7.0 MB  1.2 MB/s  ETA 3s`; of a
 * total that nobody knows (0) only what came so far.
 */
export function formatTransfer(
  { stage, done, total, bytesPerSec }: {
    stage: string;
    done: number;
    total: number;
    bytesPerSec: number | null;
  },
  columns: number,
): string {
  const speed = bytesPerSec === null ? "" : `${formatBytes(bytesPerSec)}/s`;
  if (total === 0) {
    const amount = done > 0 ? `${stage}  ${formatBytes(done)}` : `${stage} …`;
    return fitting([[amount, speed], [amount]], columns);
  }
  const leftMs = bytesPerSec ? (total - done) / bytesPerSec * 1000 : null;
  const eta = `ETA ${formatDuration(leftMs)}`;
  const amount = `${formatBytes(done)} of ${formatBytes(total)}`;
  const share = done / total;
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const words = [percent, stage, amount, speed, eta];
  const length = words.filter((word) => word !== "").join("  ").length;
  const width = Math.min(20, columns - length - 4);
  if (width >= 5) words[0] = `[${formatBlocks(share, width)}] ${percent}`;
  else words[0] = percent.trim();
  return fitting([
    words,
    words.toSpliced(3, 1),
    [percent.trim(), stage, eta],
    [percent.trim(), eta],
    [percent.trim()],
  ], columns);
}

/** The first that a terminal does not wrap. */
function fitting(lines: string[][], columns: number): string {
  return lines.map((parts) => parts.filter((part) => part !== "").join("  "))
    .find((text) => text.length < columns) ?? "";
}

/** A bar in eighths of a character. */
function formatBlocks(share: number, width: number): string {
  const eighths = Math.floor(Math.min(1, Math.max(0, share)) * width * 8);
  const part = " ▏▎▍▌▋▊▉"[eighths % 8].trim();
  return ("█".repeat(eighths >> 3) + part).padEnd(width);
}
