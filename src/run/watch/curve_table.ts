/**
 * Loss curves of several runs as one table: the values at the points that all
 * of them have. Pure.
 *
 * @module
 */

/** What evaluations of one run have measured, in the order of its steps. */
export interface Curve {
  /** Which run. */
  runId: string;
  /** In the order of steps. */
  points: CurvePoint[];
}

/** One evaluation. */
export interface CurvePoint {
  /** Steps done. */
  step: number;
  /** Training tokens seen so far. */
  tokens: number;
  /** What was measured: see {@linkcode Comparison.measure}. */
  value: number;
}

/** Values side by side. */
export interface CurveTable {
  /** What `at` counts. */
  by: "step" | "tokens";
  /** Some values lie between two evaluations, on a straight line. */
  interpolated: boolean;
  /** One value for each curve. */
  rows: { at: number; values: number[] }[];
}

/** A table to be read, not a file: the first and the last are among them. */
const MAX_ROWS = 10;

/**
 * The curves at the steps that all have evaluated, if a step means the same
 * number of tokens everywhere. Else at numbers of tokens: those of the curve
 * with the fewest points, with the others interpolated.
 */
export function alignCurves(curves: readonly Curve[]): CurveTable {
  if (haveSameSteps(curves)) {
    const known = curves.map(({ points }) =>
      new Map(points.map(({ step, value }) => [step, value]))
    );
    const common = [...known[0].keys()].filter((step) =>
      known.every((values) => values.has(step))
    );
    if (common.length > 0) {
      const rows = thinned(common).map((at) => ({
        at,
        values: known.map((values) => values.get(at)!),
      }));
      return { by: "step", interpolated: false, rows };
    }
  }
  return alignByTokens(curves);
}

function alignByTokens(curves: readonly Curve[]): CurveTable {
  const empty: CurveTable = { by: "tokens", interpolated: false, rows: [] };
  if (curves.some(({ points }) => points.length === 0)) return empty;
  const low = Math.max(...curves.map(({ points }) => points[0].tokens));
  const high = Math.min(...curves.map(({ points }) => points.at(-1)!.tokens));
  const inRange = curves.map(({ points }) =>
    points.map(({ tokens }) => tokens)
      .filter((tokens) => low <= tokens && tokens <= high)
  );
  const fewest = inRange.filter((one) => one.length > 0)
    .sort((a, b) => a.length - b.length)[0];
  if (fewest === undefined) return empty;
  const rows = thinned(fewest).map((at) => ({
    at,
    values: curves.map(({ points }) => valueAt(points, at)),
  }));
  const interpolated = rows.some(({ at }) =>
    curves.some(({ points }) => !points.some(({ tokens }) => tokens === at))
  );
  return { by: "tokens", interpolated, rows };
}

/** Whether all runs see the same number of tokens in a step. */
function haveSameSteps(curves: readonly Curve[]): boolean {
  const rates = curves.map(({ points }) => {
    const last = points.at(-1);
    return last && last.step > 0 ? last.tokens / last.step : null;
  }).filter((rate) => rate !== null);
  return rates.every((rate) => Math.abs(rate / rates[0] - 1) < 1e-9);
}

/** On the straight line between the neighbors of `at`. */
function valueAt(points: readonly CurvePoint[], at: number): number {
  const after = points.findIndex(({ tokens }) => tokens >= at);
  const b = points[after], a = points[Math.max(0, after - 1)];
  if (b.tokens === at || a === b) return b.value;
  return a.value +
    (b.value - a.value) * (at - a.tokens) / (b.tokens - a.tokens);
}

/** At most {@linkcode MAX_ROWS}, evenly spread by their position. */
function thinned(values: readonly number[]): number[] {
  const unique = [...new Set(values)];
  if (unique.length <= MAX_ROWS) return unique;
  return Array.from(
    { length: MAX_ROWS },
    (_, i) => unique[Math.round(i * (unique.length - 1) / (MAX_ROWS - 1))],
  );
}
