/**
 * Where a run stands, in a few lines. Pure.
 *
 * @module
 */

import { formatCount, formatDuration } from "../../base/format.ts";
import { formatAge, formatClock } from "../../base/when.ts";
import { deviceWords } from "../../run/watch/device_words.ts";
import { formatSilence } from "../../run/watch/silence.ts";
import { gauge } from "../charts/gauge.ts";
import type { RunRecord } from "../state/run_feed.ts";
import { statusSpan } from "../state/status_signs.ts";
import { bold, type Line, type Span, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";

const SEPARATOR = span("  ·  ", "dim");

/** Where the run stands, in two to four lines. */
export function summaryLines(
  { state, problems }: RunRecord,
  { columns, now }: { columns: number; now: number },
): Line[] {
  if (state === null) {
    const text = problems.at(-1);
    if (text === undefined) return [[span("reading …", "dim")]];
    return wrapWidth(text, columns).map((one) => [span(one, "bad")]);
  }
  const { step, totalSteps, epoch, epochs } = state;
  if (totalSteps === 0 && !state.alive) {
    // An imported model, most of the time.
    const words = "nothing to train: g writes with it, f trains it on";
    return wrapWidth(words, columns - 14).map((one, i) => [
      ...(i > 0 ? [span(" ".repeat(11))] : [
        { ...statusSpan(state.status), bold: true },
      ]),
      span(`  ${one}`),
    ]);
  }
  const done = step !== null && totalSteps ? step / totalSteps : 0;
  const progress = state.preparing
    ? [span(state.preparing.stage, "accent"), span("  ")]
    : [];
  const fraction = state.preparing ? state.preparing.fraction ?? 0 : done;
  const wide = columns >= 100;
  const value = (text: string | null): Span =>
    text === null ? span("–", "dim") : bold(text);
  const loss = (one: number | null) => value(one?.toFixed(4) ?? null);
  const label = (text: string) => span(`${text} `, "dim");
  const time: Span[] = state.alive
    ? [
      label("left"),
      value(
        state.remainingMs === null ? null : formatDuration(state.remainingMs),
      ),
      ...(state.etaAt === null
        ? []
        : [span(`  until ${formatClock(state.etaAt, now)}`, "dim")]),
    ]
    : [
      label("trained"),
      value(formatDuration(state.elapsedMs)),
      span(`  ${formatAge(state.updatedAt, now)}`, "dim"),
    ];
  const lines: Line[] = [
    [
      { ...statusSpan(state.status), bold: true },
      span("  "),
      ...progress,
      ...gauge(
        fraction,
        wide ? 32 : columns < 56 ? 6 : 14,
        state.alive ? "good" : "dim",
      ),
      span(` ${(fraction * 100).toFixed(0)} %  `),
      label("step"),
      value(step === null ? null : formatCount(step)),
      span(`/${totalSteps === null ? "?" : formatCount(totalSteps)}`, "dim"),
      ...(columns >= 80
        ? [
          span("  "),
          label("epoch"),
          value(epoch?.toFixed(2) ?? null),
          span(`/${epochs?.toFixed(2) ?? "?"}`, "dim"),
        ]
        : []),
    ],
    [
      label("loss"),
      loss(state.trainLoss),
      span("  "),
      label("val"),
      loss(state.valLoss),
      span("  "),
      label("best"),
      loss(state.bestValLoss),
      SEPARATOR,
      ...time,
    ],
  ];
  if (wide || columns >= 80) {
    lines.push([
      label("device"),
      span(state.device === null ? "–" : deviceWords(state)),
      SEPARATOR,
      label("seen"),
      span(state.tokens === null ? "–" : `${formatCount(state.tokens)} tokens`),
      ...(state.pid !== null && state.alive
        ? [SEPARATOR, label("process"), span(String(state.pid))]
        : []),
    ]);
  }
  const silence = formatSilence(state, now);
  if (silence !== null) {
    lines.push([span(`! last heard of ${silence}`, "warn")]);
  }
  const trouble = state.error ?? state.warnings.at(-1) ?? problems.at(-1);
  if (trouble !== undefined && trouble !== null) {
    const tone = state.error !== null ? "bad" : "warn";
    lines.push([span(`! ${trouble}`, tone), span("  (5: all)", "dim")]);
  }
  return lines;
}
