/**
 * The line that a terminal shows while a run trains.
 *
 * Pure, so that tests need no terminal. Logs get the lines of
 * `src/run/log_line.ts` in its place.
 *
 * @module
 */

import { formatCount, formatDuration, UNKNOWN } from "../base/format.ts";

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
  const shorter = [
    [percent, stepWords, loss, speed, eta],
    [percent, stepWords, loss, eta],
    [percent, loss, eta],
    [percent, eta],
    [percent],
  ].map((parts) => parts.join("  "));
  return shorter.find((text) => text.length < columns) ?? "";
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

/** A bar in eighths of a character. */
function formatBlocks(share: number, width: number): string {
  const eighths = Math.floor(Math.min(1, Math.max(0, share)) * width * 8);
  const part = " ▏▎▍▌▋▊▉"[eighths % 8].trim();
  return ("█".repeat(eighths >> 3) + part).padEnd(width);
}
