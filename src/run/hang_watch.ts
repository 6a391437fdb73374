/**
 * Notices a device that does not answer any more.
 *
 * Systems reset some that hang, which is an error then. Others stay so, and
 * with them a run that looks alive: nobody but a person can tell a hang from a
 * step that takes long, so it is a warning.
 *
 * @module
 */

import { formatDuration } from "../base/format.ts";

/** Between two looks while nothing comes. */
const LOOK_MS = 5000;
/** So long nothing has come, at least, and so many times as long as usual. */
const LEAST_MS = 120_000, TIMES_LONGER = 10;
/** Until a few things have come, nobody knows what is usual. */
const FEW = 3, LEAST_AT_FIRST_MS = 600_000;

/** What a warning names. */
export interface HangWatchOptions {
  runId: string;
  device: string;
  lastCheckpoint: () => string | null;
  /** For tests. */
  lookMs?: number;
  /** A clock in milliseconds. */
  now?: () => number;
}

/**
 * Yields what comes, and a warning once each time that nothing does.
 *
 * Looks are counted, not the time between them: a process that is stopped, or a
 * machine that sleeps, does not look.
 */
export async function* warnOfHang<T>(
  coming: AsyncGenerator<T>,
  { lookMs = LOOK_MS, now = () => performance.now(), ...words }:
    HangWatchOptions,
): AsyncGenerator<T | { hang: string }> {
  let count = 0, longestMs = 0;
  try {
    for (;;) {
      const startMs = now();
      const next = coming.next();
      const leastMs = count < FEW
        ? LEAST_AT_FIRST_MS
        : Math.max(LEAST_MS, TIMES_LONGER * longestMs);
      const most = Math.ceil(leastMs / LOOK_MS);
      let result = await within(next, lookMs);
      for (let looks = 1; result === null; looks++) {
        if (looks === most) yield { hang: hangOf(looks * LOOK_MS, words) };
        result = await within(next, lookMs);
      }
      if (result.done) return;
      count++;
      longestMs = Math.max(longestMs, now() - startMs);
      yield result.value;
    }
  } finally {
    await coming.return(undefined);
  }
}

function hangOf(
  silentMs: number,
  { runId, device, lastCheckpoint }: HangWatchOptions,
): string {
  const from = lastCheckpoint();
  return `Nothing has come of ${device} for ${formatDuration(silentMs)}: it ` +
    `may hang; hearth stop ${runId} --now ends the run, hearth resume ` +
    `${runId} ${from === null ? "begins anew" : `goes on from ${from}`}`;
}

/** What `work` gives, or null if that takes longer. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
