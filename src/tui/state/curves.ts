/**
 * What is drawn over the steps of a run, in as much memory as a screen needs:
 * in a run of a million logged steps, a point is the mean of some of them.
 *
 * @module
 */

import type { Metric } from "../../run/files/metrics.ts";

const CURVES = [
  "trainLoss",
  "valLoss",
  "lr",
  "gradNorm",
  "tokensPerSec",
  "gpuUtilPct",
  "vramUsedBytes",
  "powerW",
  "tempC",
  "cpuPct",
  "rssBytes",
] as const;
/** One of {@linkcode CURVES}. */
export type CurveName = typeof CURVES[number];

/** Points in ascending order of steps. */
export type Curves = Record<CurveName, [step: number, value: number][]>;

/**
 * Points of a curve at most. A 32nd part of them is still as much as a wide
 * terminal shows; of a smaller part, close_up.ts reads the rows.
 */
export const MOST_POINTS = 1 << 15;

/** The steps of which anything is known, and how many of them were logged. */
export interface Extent {
  low: number;
  high: number;
  rows: number;
}

/** Of a run that has not measured anything. */
export const NOTHING: Extent = { low: Infinity, high: -Infinity, rows: 0 };

/** Takes what was measured. */
export class CurveStore {
  readonly curves: Curves = emptyCurves();
  readonly #thinning = new Map<CurveName, Thinning>();
  #extent = NOTHING;

  /** Of all rows, whatever has become of them. */
  get extent(): Extent {
    return this.#extent;
  }

  /** Whether a point of a curve is more than one row. */
  get isThinned(): boolean {
    return this.#thinning.values().some(({ width }) => width > 1);
  }

  /** Adds rows of `metrics.jsonl`. */
  add(metrics: readonly Metric[]): void {
    for (const metric of metrics) {
      const { low, high, rows } = this.#extent;
      this.#extent = {
        low: Math.min(low, metric.step),
        high: Math.max(high, metric.step),
        rows: rows + (metric.kind === "step" ? 1 : 0),
      };
      const values: Partial<Record<string, number | null>> =
        metric.kind === "step"
          ? { ...metric, ...metric.telemetry } as never
          : { valLoss: metric.valLoss };
      for (const name of CURVES) {
        const value = values[name];
        if (value != null) this.#add(name, metric.step, value);
      }
    }
  }

  #add(name: CurveName, step: number, value: number): void {
    const points = this.curves[name];
    let thin = this.#thinning.get(name);
    if (thin === undefined) {
      this.#thinning.set(name, thin = { width: 1, sum: 0, count: 0 });
    }
    thin.sum += value;
    if (++thin.count < thin.width) return;
    points.push([step, thin.sum / thin.count]);
    thin.sum = thin.count = 0;
    if (points.length < MOST_POINTS) return;
    // All points stand for as many rows, old ones and new ones.
    for (let i = 0; i < MOST_POINTS / 2; i++) {
      const [[, first], [last, second]] = [points[2 * i], points[2 * i + 1]];
      points[i] = [last, (first + second) / 2];
    }
    points.length = MOST_POINTS / 2;
    thin.width *= 2;
  }
}

/** How many rows a point stands for, and those of the next one so far. */
interface Thinning {
  width: number;
  sum: number;
  count: number;
}

/** No points. */
export function emptyCurves(): Curves {
  return Object.fromEntries(CURVES.map((name) => [name, []])) as never;
}
