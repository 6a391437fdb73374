/**
 * The device of a run in words: what it is, and what was asked for.
 *
 * @module
 */

import { UNKNOWN } from "../../base/format.ts";
import type { RunState } from "../files/run_state.ts";

/** `gpu:0: NVIDIA A30, fp32 (asked for auto)`, if it is not just that. */
export function deviceWords(
  { device, requestedDevice: asked, precision }: Pick<
    RunState,
    "device" | "requestedDevice" | "precision"
  >,
): string {
  const isJustThat = asked === null || device?.startsWith(`${asked}: `);
  const words = `${device ?? UNKNOWN}, ${precision ?? UNKNOWN}`;
  return isJustThat ? words : `${words} (asked for ${asked})`;
}
