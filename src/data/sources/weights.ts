/**
 * Data sets and their weights, as `--dataset wikitext-2:0.7` or in YAML.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { DataSection } from "../../config/hearth_config.ts";

/** One entry of `dataset`. */
export interface WeightedSource {
  /** As `resolveSources` takes it. */
  source: string;
  /** Null if none is given. */
  weight: number | null;
}

/**
 * The longest pattern of a mix, in windows. Weights are parts of this whole,
 * so the share of a source is true to a ten-thousandth.
 */
const MOST_PARTS = 10_000;

/** `name:0.7`; the port of an address without a path is no weight. */
const WEIGHTED = /^(?![a-z]+:\/\/[^/]*$)(.+):(\d+(?:\.\d+)?|\.\d+)$/i;

/** The entries of `setting` in order. */
export function weightedSources(
  setting: DataSection["dataset"],
): WeightedSource[] {
  return [setting].flat().map((entry) => {
    if (typeof entry !== "string") {
      return { source: entry.source, weight: entry.weight ?? null };
    }
    const match = WEIGHTED.exec(entry);
    return match === null
      ? { source: entry, weight: null }
      : { source: match[1], weight: Number(match[2]) };
  });
}

/**
 * The weights of a mix: 1 where none is given; null if there are none at all,
 * and all sources are read whole.
 *
 * @throws {UserError} For weights that no mix can have.
 */
export function mixWeights(
  sources: readonly WeightedSource[],
): number[] | null {
  if (sources.every(({ weight }) => weight === null)) return null;
  const weights = sources.map(({ weight }) => weight ?? 1);
  const sum = weights.reduce((a, b) => a + b);
  sources.forEach(({ source }, i) => {
    if (weights[i] / sum >= 1 / MOST_PARTS) return;
    throw new UserError(
      `Cannot mix "${source}" with weight ${weights[i]}: its share is below ` +
        `1 of ${MOST_PARTS}`,
      { hint: "give a larger weight, or leave it out", exitCode: EXIT.usage },
    );
  });
  return weights;
}

/**
 * How many windows of each source are in one pattern of a mix: the shortest
 * that has the exact shares, else the longest there may be.
 *
 * @param weights At least one; each a ten-thousandth of their sum or more.
 */
export function mixParts(weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b);
  for (let parts = 1; parts < MOST_PARTS; parts++) {
    const exact = weights.map((weight) => weight / sum * parts);
    const whole = exact.map(Math.round);
    // 0.7 + 0.3 is not exactly 1, so nearly whole is whole.
    if (exact.every((part, i) => whole[i] > 0 && near(part, whole[i]))) {
      return whole;
    }
  }
  // Largest remainders: whole parts first, what is left to the most deserving.
  const exact = weights.map((weight) => weight / sum * MOST_PARTS);
  const parts = exact.map((part) => Math.max(1, Math.floor(part)));
  const left = MOST_PARTS - parts.reduce((a, b) => a + b);
  const order = exact.map((part, i) => ({ i, rest: part - parts[i] }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (let k = 0; k < left; k++) parts[order[k % order.length].i]++;
  return parts;
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-9 * Math.max(1, b);
}
