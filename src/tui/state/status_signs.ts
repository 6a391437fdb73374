/**
 * The status of a run as a sign, a word and a color.
 *
 * @module
 */

import type { RunStatus } from "../../run/files/run_state.ts";
import { type Span, span, type Tone } from "../text/line.ts";

const SIGNS: Record<RunStatus | "broken", readonly [string, Tone]> = {
  queued: ["○", "accent"],
  preparing: ["◌", "accent"],
  running: ["●", "good"],
  stopping: ["◍", "warn"],
  completed: ["✓", "good"],
  stopped: ["■", "dim"],
  failed: ["✗", "bad"],
  interrupted: ["!", "warn"],
  broken: ["✗", "bad"],
};

/** `● running`. */
export function statusSpan(status: RunStatus | "broken"): Span {
  const [sign, tone] = SIGNS[status];
  return span(`${sign} ${status}`, tone);
}
