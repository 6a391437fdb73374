/**
 * GELU and its slope in WGSL, for kernels of their own and for products.
 *
 * Functions are written out, as the tanh of some drivers overflows to NaN and
 * WGSL has no erf.
 *
 * @module
 */

import type { Bit } from "../../graph/ops.ts";
import { f32 } from "./wgsl.ts";

/** sqrt(2 / pi), the inner factor of GELU by tanh. */
const TANH_SCALE = f32(Math.sqrt(2 / Math.PI));
const TANH_CUBIC = 0.044715;

/** tanh by one exp of a number that is never positive: no overflow. */
const TANH = `
fn tanhOf(x: V) -> V {
  let e = exp(-2.0f * abs(x));
  return sign(x) * ((1.0f - e) / (1.0f + e));
}
`;

/**
 * The error function to 1.5e-7.
 * Source: Abramowitz & Stegun 1964, formula 7.1.26.
 */
const ERF = `
fn erfOf(x: V) -> V {
  let z = abs(x);
  let t = V(1.0f) / (1.0f + 0.3275911f * z);
  let p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f +
    t * (-1.453152027f + t * 1.061405429f))));
  return sign(x) * (1.0f - p * exp(-z * z));
}
`;

const INNER = `${TANH_SCALE} * (x + ${f32(TANH_CUBIC)} * x * x * x)`;
const SQRT_HALF = f32(Math.SQRT1_2);
const DENSITY = f32(1 / Math.sqrt(2 * Math.PI));

/** WGSL of a call's GELU: of type V, x being a variable of it. */
export interface Gelu {
  /** To be declared behind `alias V`. */
  readonly functions: string;
  /** GELU of `x`. */
  readonly value: string;
  /** Statements that make `slope`, the derivative at `x`. */
  readonly slope: string;
}

/** The exact one, or the one by tanh. */
export function geluOf(tanh: Bit): Gelu {
  if (tanh) {
    return {
      functions: TANH,
      value: `0.5f * x * (1.0f + tanhOf(${INNER}))`,
      slope: `
  let t = tanhOf(${INNER});
  let inner = ${TANH_SCALE} * (1.0f + ${f32(3 * TANH_CUBIC)} * x * x);
  let slope = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;`,
    };
  }
  return {
    functions: ERF,
    value: `0.5f * x * (1.0f + erfOf(x * ${SQRT_HALF}))`,
    slope: `
  let slope = 0.5f * (1.0f + erfOf(x * ${SQRT_HALF})) +
    x * ${DENSITY} * exp(-0.5f * x * x);`,
  };
}
