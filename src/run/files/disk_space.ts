/**
 * How much room a run's logs will take.
 *
 * @module
 */

/** A row of `metrics.jsonl` and a line of `train.log`. */
const BYTES_PER_ROW = 600;

/** What a run's log and metrics grow to in so many steps, roughly. */
export function logBytes(
  { steps, logEvery, evalEvery }: {
    steps: number;
    logEvery: number;
    /** 0: only at the end. */
    evalEvery: number;
  },
): number {
  const evaluations = evalEvery > 0 ? steps / evalEvery : 0;
  return Math.ceil(BYTES_PER_ROW * (steps / logEvery + evaluations + 2));
}
