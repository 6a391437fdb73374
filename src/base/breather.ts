/**
 * Time for others in long work.
 *
 * @module
 */

/** Short enough that Ctrl+C feels immediate, long enough not to cost. */
const BETWEEN_BREATHS_MS = 50;

/**
 * To be called often in long work: lets timers and signals run now and then,
 * for a loop that computes all the time would never hear of Ctrl+C.
 *
 * @returns True when it did, false, without a promise, when it was too early.
 * @throws The reason of `signal` when it is aborted.
 */
export function breather(
  signal?: AbortSignal,
): () => Promise<true> | false {
  let lastMs = performance.now();
  const breathe = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    lastMs = performance.now();
    signal?.throwIfAborted();
    return true as const;
  };
  return () => performance.now() - lastMs >= BETWEEN_BREATHS_MS && breathe();
}
