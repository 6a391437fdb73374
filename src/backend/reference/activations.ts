/**
 * GELU and SwiGLU, with their gradients.
 *
 * Sources: Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415; Shazeer
 * 2020, https://arxiv.org/abs/2002.05202.
 *
 * @module
 */

import type { Kernels } from "./kernel.ts";

/** sqrt(2 / pi), the inner factor of GELU by tanh. */
const TANH_SCALE = Math.sqrt(2 / Math.PI);
/** Cubic coefficient of GELU by tanh, from the paper. */
const TANH_CUBIC = 0.044715;

/** Kernels of the activations. */
export const activationKernels: Kernels<
  "gelu" | "geluBackward" | "swiglu" | "swigluBackward"
> = {
  gelu({ in: { x }, out: { out }, attrs: { n, tanh } }) {
    const value = tanh ? geluTanh : geluExact;
    for (let i = 0; i < n; i++) out[i] = value(x[i]);
  },

  geluBackward({ in: { dOut, x }, out: { out }, attrs: { n, tanh } }) {
    const slope = tanh ? geluTanhSlope : geluExactSlope;
    for (let i = 0; i < n; i++) out[i] = dOut[i] * slope(x[i]);
  },

  swiglu({ in: { x }, out: { out }, attrs: { rows, F } }) {
    for (let r = 0; r < rows; r++) {
      for (let f = 0; f < F; f++) {
        const gate = x[r * 2 * F + f], up = x[r * 2 * F + F + f];
        out[r * F + f] = gate * sigmoid(gate) * up;
      }
    }
  },

  swigluBackward({ in: { dOut, x }, out: { out }, attrs: { rows, F } }) {
    for (let r = 0; r < rows; r++) {
      for (let f = 0; f < F; f++) {
        const atGate = r * 2 * F + f, atUp = atGate + F;
        const gate = x[atGate], up = x[atUp], dy = dOut[r * F + f];
        const s = sigmoid(gate);
        out[atGate] = dy * up * s * (1 + gate * (1 - s));
        out[atUp] = dy * gate * s;
      }
    }
  },
};

/**
 * The error function to about 1e-15, by the series
 * erf(x) = 2/sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (1*3*…*(2n+1)),
 * whose terms all have one sign, so that nothing cancels.
 * Source: Abramowitz & Stegun 1964, formula 7.1.6.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (Math.abs(x) > 6) return Math.sign(x); // 1 - erf(6) is 2e-17
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

function geluExact(x: number): number {
  return x * normalCdf(x);
}

function geluExactSlope(x: number): number {
  const density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  return normalCdf(x) + x * density;
}

function normalCdf(x: number): number {
  return 0.5 * (1 + erf(x / Math.SQRT2));
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(TANH_SCALE * (x + TANH_CUBIC * x ** 3)));
}

function geluTanhSlope(x: number): number {
  const t = Math.tanh(TANH_SCALE * (x + TANH_CUBIC * x ** 3));
  const inner = TANH_SCALE * (1 + 3 * TANH_CUBIC * x ** 2);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
