/**
 * What models have written, as lines. Pure.
 *
 * @module
 */

import { formatCount } from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import type { Size } from "../screen.ts";
import type { Sample, Writing } from "../state/writing.ts";
import { beside, bold, type Line, type Span, span } from "../text/line.ts";
import { insidePanel, panel } from "../text/panel.ts";
import { wrapWidth } from "../text/width.ts";

/** Two texts side by side need that much. */
const SIDE_BY_SIDE_COLUMNS = 76;

/**
 * The texts of one sheet in panels, beside each other where there is room.
 *
 * @param back Lines before the end that are shown last.
 */
export function writingLines(
  writing: Writing,
  { size: { columns, rows }, back, note }: {
    size: Size;
    back: number;
    note: string;
  },
): Line[] {
  const { samples, prompt } = writing;
  const isBeside = samples.length > 1 && columns >= SIDE_BY_SIDE_COLUMNS;
  const across = isBeside ? samples.length : 1;
  const width = Math.floor((columns - (across - 1)) / across);
  const height = isBeside ? rows : Math.floor(rows / samples.length);
  const panels = samples.map((sample, i) =>
    samplePanel(sample, prompt, {
      size: { columns: width, rows: height },
      back,
      note: i === 0 ? note : "",
    })
  );
  return isBeside
    ? beside(panels.map((lines) => ({ lines, width })))
    : panels.flat();
}

function samplePanel(
  sample: Sample,
  prompt: string,
  { size, back, note }: { size: Size; back: number; note: string },
): Line[] {
  const { columns, rows } = insidePanel(size);
  const lines = textLines(sample, prompt, columns);
  const end = Math.max(rows, lines.length - back);
  const shown = lines.slice(Math.max(0, end - rows), end);
  const title = sample.name ?? sample.ref;
  return panel(shown, {
    title,
    note: [span(statusText(sample) + (note ? `  ${note}` : ""), "dim")],
    ...size,
  });
}

function statusText({ status, tokens, elapsedMs }: Sample): string {
  if (tokens === 0) {
    return { waiting: "waits", opening: "opening …", writing: "reading …" }[
      status as string
    ] ?? status;
  }
  const speed = elapsedMs > 0
    ? ` at ${formatCount(tokens / elapsedMs * 1000)} tok/s`
    : "";
  const how = status === "stopped" ? ", stopped" : "";
  return `${formatCount(tokens)}${speed}${how}`;
}

/** The prompt stands out from what follows it. */
function textLines(sample: Sample, prompt: string, columns: number): Line[] {
  const start = safeText(prompt);
  const lines: Line[] = [];
  let left = start.length;
  const isWriting = sample.status === "writing";
  const text = start + safeText(sample.text) + (isWriting ? "▌" : "");
  for (const one of wrapWidth(text, columns)) {
    const inPrompt = Math.max(0, Math.min(one.length, left));
    const spans: Span[] = [];
    if (inPrompt > 0) spans.push(bold(one.slice(0, inPrompt), "accent"));
    if (inPrompt < one.length) spans.push(span(one.slice(inPrompt)));
    lines.push(spans);
    // The white space at which a line was broken is not in it.
    left -= one.length;
    const gap = start.slice(start.length - left);
    if (left > 0) left -= gap.length - gap.trimStart().length;
  }
  const notes = sample.notes.flatMap((note) =>
    wrapWidth(`! ${safeText(note)}`, columns).map((one): Line => [
      span(one, sample.status === "failed" ? "bad" : "warn"),
    ])
  );
  return [...notes, ...lines];
}
