/**
 * What may become of the learning rate when the end of a run is moved, by
 * name; move_end.ts says what they mean. Imports nothing, so that `--help` is
 * quick.
 *
 * @module
 */

/**
 * `continue`: what is left of the curve is stretched to the new end. `rewarm`:
 * up again as in a warm-up, then the schedule once more. `constant`: the
 * present rate to the end.
 */
export type LrPolicy = "continue" | "rewarm" | "constant";

/** All of them, the default first. */
export const LR_POLICIES = [
  "continue",
  "rewarm",
  "constant",
] as const satisfies readonly LrPolicy[];
