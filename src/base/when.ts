/**
 * Moments as people say them: how long ago, and at what time of day. Pure.
 *
 * @module
 */

import { UNKNOWN } from "./format.ts";

const UNITS = [
  ["d", 24 * 3600],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
] as const;

/**
 * `3m ago`, `2d ago`, `now`; `n/a` for null.
 *
 * @param time An ISO time. One in the future, by a clock that was set back,
 * counts as now.
 * @param now Milliseconds since 1970.
 */
export function formatAge(time: string | null, now: number): string {
  if (time === null) return UNKNOWN;
  const seconds = Math.floor((now - Date.parse(time)) / 1000);
  const unit = UNITS.find(([, size]) => seconds >= size);
  return unit ? `${Math.floor(seconds / unit[1])}${unit[0]} ago` : "now";
}

/**
 * The local time: `17:45`, on another day `2026-01-02 17:45`; `n/a` for null.
 *
 * @param time An ISO time.
 * @param now Milliseconds since 1970.
 */
export function formatClock(time: string | null, now: number): string {
  if (time === null) return UNKNOWN;
  const at = new Date(time), today = new Date(now);
  const two = (n: number) => String(n).padStart(2, "0");
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === today.toDateString()) return clock;
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())];
  return `${date.join("-")} ${clock}`;
}
