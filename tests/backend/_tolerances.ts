/** How far executors may be from the reference, and why. @module */

import type { OpCase } from "./_run_op_case.ts";

/** A tolerance and its reason. */
export type Allowed = Pick<OpCase, "tolerance" | "reason">;

export const EXACT: Allowed = {
  tolerance: 0,
  reason: "a copy, or one rounding of an exact value",
};
export const FEW_ROUNDINGS: Allowed = {
  tolerance: 2e-6,
  reason: "some f32 operations of 6e-8 each per element",
};
export const SHORT_SUM: Allowed = {
  tolerance: 2e-5,
  reason: "f32 sums of some hundred terms of size 1 to 4, in any order",
};
/**
 * f32 sums of more terms, of deviation 1, in any order: six deviations.
 *
 * The worst order is one after another. There the sum of k terms is of size
 * sqrt(k), and rounded to 2^-24 of itself, evenly spread: a deviation of
 * 2^-24 sqrt(k/3). Over k = 1 … n the squares add up to that of 2^-24 n/sqrt(6).
 */
export function sumOf(terms: number): Allowed {
  return {
    tolerance: Math.max(SHORT_SUM.tolerance, Math.sqrt(6) * 2 ** -24 * terms),
    reason: `f32 sums of ${terms} terms of size 1, in any order`,
  };
}
export const FUNCTIONS: Allowed = {
  tolerance: 1e-5,
  reason: "exp, tanh or erf by f32 polynomials, a few 1e-7 each",
};
