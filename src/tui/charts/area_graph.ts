/**
 * A filled graph of one value over time, as system monitors draw it: eight
 * braille dots to a character, or one row of blocks.
 *
 * @module
 */

/** Points in ascending order of x. */
export type Points = readonly (readonly [x: number, y: number])[];

/** Size and ranges of a graph. */
export interface AreaOptions {
  columns: number;
  rows: number;
  /** The part of x to show. */
  from: number;
  to: number;
  /** Where the graph begins and ends; default: what the values need. */
  low?: number;
  high?: number;
}

const BLOCKS = "▁▂▃▄▅▆▇█";
/** Braille bits of a column of dots, from the bottom up. */
const LEFT = [0x40, 0x04, 0x02, 0x01];
const RIGHT = [0x80, 0x20, 0x10, 0x08];
const BRAILLE_BLANK = 0x2800;

/** The rows of the graph, from the top; spaces where nothing is known. */
export function areaGraph(points: Points, options: AreaOptions): string[] {
  const { columns, rows } = options;
  const perColumn = rows === 1 ? 1 : 2;
  const values = buckets(points, { ...options, count: columns * perColumn });
  const known = values.filter((value) => value !== null);
  const { low = Math.min(...known), high = Math.max(...known) } = options;
  const levels = rows === 1 ? BLOCKS.length : rows * 4;
  // At least one dot, so that zero looks other than unknown.
  const heights = values.map((value) =>
    value === null ? 0 : 1 + Math.round(
      Math.min(1, Math.max(0, high > low ? (value - low) / (high - low) : 0)) *
        (levels - 1),
    )
  );
  if (rows === 1) {
    return [heights.map((h) => h === 0 ? " " : BLOCKS[h - 1]).join("")];
  }
  return Array.from({ length: rows }, (_, row) => {
    const below = (rows - 1 - row) * 4;
    let text = "";
    for (let column = 0; column < columns; column++) {
      let bits = 0;
      for (let dot = 0; dot < 4; dot++) {
        if (heights[2 * column] > below + dot) bits |= LEFT[dot];
        if (heights[2 * column + 1] > below + dot) bits |= RIGHT[dot];
      }
      text += bits === 0 ? " " : String.fromCharCode(BRAILLE_BLANK + bits);
    }
    return text;
  });
}

/** The mean in each of `count` parts of the range; between points, the last. */
function buckets(
  points: Points,
  { from, to, count }: { from: number; to: number; count: number },
): (number | null)[] {
  const sums = new Float64Array(count), counts = new Uint32Array(count);
  let before: number | null = null;
  const perX = count / Math.max(to - from, Number.MIN_VALUE);
  for (const [x, y] of points) {
    if (!Number.isFinite(y) || x > to) continue;
    if (x < from) {
      before = y;
      continue;
    }
    const bucket = to > from
      ? Math.min(count - 1, Math.floor((x - from) * perX))
      : count - 1;
    sums[bucket] += y;
    counts[bucket]++;
  }
  const last = counts.findLastIndex((n) => n > 0);
  return Array.from({ length: count }, (_, i) => {
    if (counts[i] > 0) return before = sums[i] / counts[i];
    return i < last ? before : null;
  });
}
