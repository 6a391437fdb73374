/**
 * A run that says nothing although it should.
 *
 * @module
 */

import { formatAge } from "../../base/when.ts";
import type { RunState } from "../files/run_state.ts";

/** The state is written twice a second. */
const STALE_MS = 5000;

/**
 * `12s ago; is the process suspended, the disk full, or does the device hang?`,
 * as WebGPU holds up the process until a GPU answers; null for a run that has not
 * been silent for long, or that has nothing more to say.
 */
export function formatSilence(
  { alive, updatedAt }: RunState,
  now: number,
): string | null {
  if (!alive || now - Date.parse(updatedAt) < STALE_MS) return null;
  const age = formatAge(updatedAt, now);
  return `${age}; is the process suspended, the disk full, or does the device ` +
    "hang?";
}
