/**
 * What went wrong with a run, in full. Pure.
 *
 * @module
 */

import { safeText } from "../../base/safe_text.ts";
import type { RunRecord } from "../state/run_feed.ts";
import { bold, type Line, line, span, type Tone } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";

/** Errors first, then what cannot be read, then warnings, newest first. */
export function problemLines(
  { runId, state, problems }: RunRecord,
  columns: number,
): Line[] {
  const block = (title: string, text: string, tone: Tone): Line[] => [
    [bold(title, tone)],
    ...wrapWidth(safeText(text), columns - 2).map((one) => line(`  ${one}`)),
    [],
  ];
  const lines: Line[] = [];
  if (state?.error) lines.push(...block("error", state.error, "bad"));
  for (const problem of problems) {
    lines.push(...block("damaged", problem, "bad"));
  }
  if (state?.status === "interrupted") {
    lines.push(
      ...block(
        "interrupted",
        "The process of the run is gone: it was killed, or the machine was " +
          "switched off. r goes on from the newest checkpoint.",
        "warn",
      ),
    );
  } else if (state === null && problems.length > 0) {
    lines.push(
      ...block(
        "what to do",
        `r tries to go on from the checkpoints of ${runId}, if there are ` +
          "any; d removes it.",
        "accent",
      ),
    );
  }
  for (const warning of (state?.warnings ?? []).toReversed()) {
    lines.push(...block("warning", warning, "warn"));
  }
  return lines.length > 0
    ? lines
    : [[span("no warnings and no errors", "good")]];
}
