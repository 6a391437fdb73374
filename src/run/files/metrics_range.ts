/**
 * A part of `metrics.jsonl`, by steps: found by bisection, as the rows come in
 * their order, so that of a long file only that part is read.
 *
 * @module
 */

import { unlessGone } from "../../base/unless_gone.ts";
import { type Metric, parseMetric } from "./metrics.ts";
import { readAt } from "./read_at.ts";

/** Read at once: some 500 rows. A longer line is passed over. */
const CHUNK_BYTES = 1 << 18;
const NEWLINE = 10;

/** What there is of the rows that were asked for. */
export interface MetricsPart {
  metrics: Metric[];
  /** The file has nothing behind them: what is appended follows them. */
  isEnd: boolean;
}

/**
 * The rows from step `low` to step `high`, in pieces; lines that are damaged
 * are passed over, a torn end counts for nothing. None if there is no file.
 */
export async function* readMetricsRange(
  path: string,
  { low, high }: { low: number; high: number },
): AsyncGenerator<MetricsPart> {
  // To open a pipe would wait for somebody who writes to it.
  if (!(await unlessGone(Deno.stat(path)))?.isFile) return;
  using file = await unlessGone(Deno.open(path));
  if (file === null) return;
  const { size } = await file.stat();
  let offset = await startOf(file, { size, step: low });
  let isDone = false;
  while (!isDone) {
    const { lines, end, isEnd } = await linesAt(file, offset);
    const rows = lines.map(parseMetric).filter((row) => row !== null);
    const isBeyond = rows.some(({ step }) => step > high);
    yield {
      metrics: rows.filter(({ step }) => step >= low && step <= high),
      isEnd: isEnd && !isBeyond,
    };
    offset = end;
    isDone = isEnd || isBeyond;
  }
}

/** Where a line begins before which there is no row of `step` or a later one. */
async function startOf(
  file: Deno.FsFile,
  { size, step }: { size: number; step: number },
): Promise<number> {
  let [from, to] = [0, size];
  while (to - from > CHUNK_BYTES) {
    const middle = from + Math.floor((to - from) / 2);
    const found = await rowBehind(file, middle);
    if (found === null || found.step >= step) to = middle;
    else from = found.offset;
  }
  return from;
}

/** The first good row that begins behind `offset`, if it is not far. */
async function rowBehind(
  file: Deno.FsFile,
  offset: number,
): Promise<{ offset: number; step: number } | null> {
  const bytes = await readAt(file, { offset, length: CHUNK_BYTES });
  // The line at the offset may have begun before it.
  let start = bytes.indexOf(NEWLINE) + 1;
  for (let end; (end = bytes.indexOf(NEWLINE, start)) > 0; start = end + 1) {
    const row = parseMetric(decoded(bytes.subarray(start, end)));
    if (row !== null) return { offset: offset + start, step: row.step };
  }
  return null;
}

/** Whole lines from `offset` on, and where the next one begins. */
async function linesAt(
  file: Deno.FsFile,
  offset: number,
): Promise<{ lines: string[]; end: number; isEnd: boolean }> {
  const bytes = await readAt(file, { offset, length: CHUNK_BYTES });
  const isEnd = bytes.length < CHUNK_BYTES;
  const whole = bytes.lastIndexOf(NEWLINE) + 1;
  // No row is as long as a chunk: what is left of this line is none, too.
  const end = offset + (whole === 0 ? bytes.length : whole);
  const lines = decoded(bytes.subarray(0, whole)).split("\n").filter(Boolean);
  return { lines, end, isEnd };
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
