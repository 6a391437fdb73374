/**
 * GELU and its slope in WGSL, for kernels of their own and for products.
 *
 * Functions are written out, as the tanh of some drivers overflows to NaN and
 * WGSL has no erf, and in few operations: behind a product on matrix units
 * they take as long as all that it reads and writes.
 *
 * @module
 */

import type { Bit } from "../../../graph/ops.ts";
import { f32 } from "./wgsl.ts";

/**
 * `logisticOf(w)`: 1 / (1 + 2^w). Of a larger power, drivers need not divide
 * by it.
 */
const LOGISTIC = `
fn logisticOf(w: V) -> V {
  return V(1.0f) / (1.0f + exp2(min(w, V(125.0f))));
}
`;

/** sqrt(2 / pi) and the cubic part inside of GELU's tanh. */
const TANH_SCALE = Math.sqrt(2 / Math.PI), TANH_CUBIC = 0.044715;
/** 0.5 * (1 + tanh(u)) is 1 / (1 + e^(-2u)), and e^x is 2^(x / ln 2). */
const LINEAR = -2 * TANH_SCALE / Math.LN2;
const LOGISTIC_OF_X = `logisticOf(x * (${f32(LINEAR)} + ${
  f32(LINEAR * TANH_CUBIC)
} * x * x))`;

/**
 * `gaussOf(x)`: e^(-x^2 / 2), and `tailOf(x, gauss)`: the half of
 * 1 - erf(|x| / sqrt(2)), to 0.75e-7.
 * Source: Abramowitz & Stegun 1964, formula 7.1.26.
 */
const ERROR_FUNCTION = `
fn gaussOf(x: V) -> V {
  let y = ${f32(Math.sqrt(0.5 / Math.LN2))} * x;
  return exp2(-y * y);
}
fn tailOf(x: V, gauss: V) -> V {
  let t = V(1.0f) / (1.0f + ${f32(0.3275911 * Math.SQRT1_2)} * abs(x));
  let p = t * (${f32(0.254829592 / 2)} + t * (${f32(-0.284496736 / 2)} +
    t * (${f32(1.421413741 / 2)} + t * (${f32(-1.453152027 / 2)} +
    t * ${f32(1.061405429 / 2)}))));
  return p * gauss;
}
`;
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
      functions: LOGISTIC,
      value: `x * ${LOGISTIC_OF_X}`,
      slope: `
  let part = ${LOGISTIC_OF_X};
  let inner = ${f32(2 * TANH_SCALE)} + ${
        f32(6 * TANH_SCALE * TANH_CUBIC)
      } * x * x;
  let slope = part + x * part * (1.0f - part) * inner;`,
    };
  }
  return {
    functions: ERROR_FUNCTION,
    value: "max(x, V(0.0f)) - abs(x) * tailOf(x, gaussOf(x))",
    slope: `
  let gauss = gaussOf(x);
  let tail = tailOf(x, gauss);
  let slope = select(1.0f - tail, tail, x < V(0.0f)) + ${DENSITY} * x * gauss;`,
  };
}
