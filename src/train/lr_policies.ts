/**
 * What may become of the learning rate when the end of a run is moved, by
 * name; lr_curve.ts says what they mean. Imports nothing, so that `--help` is
 * quick.
 *
 * @module
 */

/** The names, the default first. */
export const LR_POLICIES = ["continue", "rewarm", "constant"] as const;
/** One of {@linkcode LR_POLICIES}. */
export type LrPolicy = typeof LR_POLICIES[number];
