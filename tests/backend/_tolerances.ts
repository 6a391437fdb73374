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
export const FUNCTIONS: Allowed = {
  tolerance: 1e-5,
  reason: "exp, tanh or erf by f32 polynomials, a few 1e-7 each",
};
