/**
 * Noisy curves made readable.
 *
 * @module
 */

import type { Points } from "./area_graph.ts";

/** Weights to choose from: 0 is none. */
export const SMOOTHINGS = [0, 0.6, 0.9, 0.97] as const;

/**
 * The exponential moving average with its start corrected, as Adam does it:
 * `m = w m + (1 - w) y`, shown as `m / (1 - w^n)`. Kingma & Ba 2015, section
 * 3, https://arxiv.org/abs/1412.6980. Points that are not finite are left out.
 */
export function smoothed(points: Points, weight: number): Points {
  if (weight === 0) return points;
  let mean = 0, missing = 1;
  const smooth: [number, number][] = [];
  for (const [x, y] of points) {
    if (!Number.isFinite(y)) continue;
    mean = weight * mean + (1 - weight) * y;
    missing *= weight;
    smooth.push([x, mean / (1 - missing)]);
  }
  return smooth;
}
