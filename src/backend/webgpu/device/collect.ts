/**
 * Frees the encoders and command buffers of runs that are over.
 *
 * Deno tells V8 nothing of the memory behind them, so V8 sees no reason to
 * collect: resident memory grew by 3 kB per submission, for ever (Deno 2.9.6,
 * llvmpipe, 12,000 submissions); with a collection it stays where it is. There
 * is no other way to free them. Delete this when Deno reports their size.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A collection takes 30 ms: this many make that a small part, and 50 MB. */
const SUBMISSIONS = 16_384;

let submissions = 0;
let collect: (() => void) | null | undefined;

/** To be called for every submission. */
export function countSubmission(): void {
  submissions++;
}

/** Collects if there is much to free; where the host waits anyway. */
export function collectIfDue(): void {
  if (submissions < SUBMISSIONS) return;
  submissions = 0;
  collect ??= findCollector();
  collect?.();
}

/** V8's own, or null where it cannot be had. */
function findCollector(): (() => void) | null {
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc");
  } catch {
    return null;
  }
}
