/**
 * How long something takes: runs that do not count, then the median of many.
 *
 * @module
 */

/** Runs that do not count: the compiler's fast code is in place after them. */
const WARM_UP = 3;
/** Part of the given time that the warm-up may take as well. */
const WARM_UP_SHARE = 0.25;
/** Fewer would make quartiles meaningless. */
const MIN_RUNS = 5;

/** The times of the runs that count, in milliseconds. */
export interface Timing {
  readonly medianMs: number;
  /** A quarter of the runs took less. */
  readonly lowMs: number;
  /** A quarter of the runs took more. */
  readonly highMs: number;
  readonly bestMs: number;
  readonly runs: number;
}

/** Times `run` over and over. @param seconds The least time to go on for. */
export async function measure(
  run: () => Promise<unknown>,
  { seconds }: { seconds: number },
): Promise<Timing> {
  const timesOf = async (ms: number, atLeast: number) => {
    const times: number[] = [];
    for (let total = 0; times.length < atLeast || total < ms;) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
      total += times.at(-1)!;
    }
    return times;
  };
  await timesOf(seconds * 1000 * WARM_UP_SHARE, WARM_UP);
  return summarize(await timesOf(seconds * 1000, MIN_RUNS));
}

/** Median and quartiles; pure. @param times At least one. */
export function summarize(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))];
  return {
    medianMs: at(0.5),
    lowMs: at(0.25),
    highMs: at(0.75),
    bestMs: sorted[0],
    runs: sorted.length,
  };
}

/** From times of several steps; `runs` counts these times. */
export function perStep(timing: Timing, steps: number): Timing {
  const { medianMs, lowMs, highMs, bestMs, runs } = timing;
  return {
    medianMs: medianMs / steps,
    lowMs: lowMs / steps,
    highMs: highMs / steps,
    bestMs: bestMs / steps,
    runs,
  };
}

/** Half the runs lie this many percent apart; for people. */
export function spreadPct({ medianMs, lowMs, highMs }: Timing): number {
  return 100 * (highMs - lowMs) / medianMs;
}
