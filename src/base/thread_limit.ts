/**
 * How many threads are worth starting.
 *
 * More than the machine runs at a time gain nothing: threads that wait for
 * each other then wait for their turns as well. Each costs some 12 MB and a
 * tenth of a second besides, and 4,096 are more than a process can hold (Deno
 * 2.9; on two cores of an AMD EPYC, 1,000 took 12 GB and two minutes).
 *
 * @module
 */

import { formatCount } from "./format.ts";

/**
 * As many as were asked for, but no more than run at a time.
 *
 * @param most What the machine runs at a time, by default as the system says.
 * @returns Also what to tell the user, one line, or null.
 */
export function limitThreads(
  asked: number,
  most = navigator.hardwareConcurrency,
): { threads: number; warning: string | null } {
  if (asked <= most) return { threads: asked, warning: null };
  return {
    threads: most,
    warning: `Cannot run ${formatCount(asked)} threads at a time: this ` +
      `machine runs ${formatCount(most)}, more would wait for each other: ` +
      `using ${formatCount(most)}`,
  };
}
