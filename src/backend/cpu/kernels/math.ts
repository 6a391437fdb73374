/**
 * exp, log, sigmoid, erf in four lanes, and sin and cos in double precision.
 *
 * Polynomials: exp and log are those of Cephes (expf.c, logf.c, Moshier 1989);
 * erf is the rational approximation of Eigen 3 (SpecialFunctions, `erf` for
 * float); sin and cos are fdlibm's kernels (k_sin.c, k_cos.c, Sun 1993).
 * Errors, measured by tests/backend/cpu/math_test.ts: exp 1.2 ulp, log 0.6 ulp
 * (of a whole number), erf 2e-7, sin and cos half an ulp of 1.
 *
 * @module
 */

import { Constant, constant } from "./constants";
import { madd } from "./simd";

/** e^x. NaN stays NaN, which is why `pmin` and not `min` is right here. */
@inline
export function exp(x: v128): v128 {
  const tooLow = f32x4.lt(x, constant(Constant.expLow));
  x = f32x4.pmin(x, constant(Constant.expHigh));
  // x = n ln 2 + r with |r| <= ln 2 / 2.
  const rounder = constant(Constant.rounder);
  const rounded = madd(x, constant(Constant.log2e), rounder);
  const n = f32x4.sub(rounded, rounder);
  let r = madd(n, constant(Constant.ln2High), x);
  r = madd(n, constant(Constant.ln2Low), r);
  let p = madd(constant(Constant.exp0), r, constant(Constant.exp1));
  p = madd(p, r, constant(Constant.exp2));
  p = madd(p, r, constant(Constant.exp3));
  p = madd(p, r, constant(Constant.exp4));
  p = madd(p, r, constant(Constant.exp5));
  const one = constant(Constant.one);
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, one));
  // The bits of 1 hold the exponent's bias: this is 2^n.
  const power = i32x4.add(i32x4.shl(rounded, 23), one);
  return v128.andnot(f32x4.mul(p, power), tooLow);
}

/** Natural logarithm of a positive normal number; NaN and +inf stay. */
@inline
export function log(x: v128): v128 {
  // x = 2^e m with sqrt(1/2) <= m < sqrt(2).
  let e = i32x4.sub(i32x4.shr_u(x, 23), i32x4.splat(126));
  let m = v128.or(
    v128.and(x, i32x4.splat(0x007fffff)),
    i32x4.splat(0x3f000000),
  );
  const small = f32x4.lt(m, f32x4.splat(0.707106781186547524));
  e = i32x4.add(e, small); // a true lane is -1
  m = f32x4.add(m, v128.and(m, small));
  const r = f32x4.sub(m, f32x4.splat(1)), r2 = f32x4.mul(r, r);
  let p = f32x4.splat(7.0376836292e-2);
  p = madd(p, r, f32x4.splat(-1.1514610310e-1));
  p = madd(p, r, f32x4.splat(1.1676998740e-1));
  p = madd(p, r, f32x4.splat(-1.2420140846e-1));
  p = madd(p, r, f32x4.splat(1.4249322787e-1));
  p = madd(p, r, f32x4.splat(-1.6668057665e-1));
  p = madd(p, r, f32x4.splat(2.0000714765e-1));
  p = madd(p, r, f32x4.splat(-2.4999993993e-1));
  p = madd(p, r, f32x4.splat(3.3333331174e-1));
  const exponent = f32x4.convert_i32x4_s(e);
  let y = f32x4.mul(f32x4.mul(p, r), r2);
  y = madd(exponent, f32x4.splat(-2.12194440e-4), y);
  y = madd(f32x4.splat(-0.5), r2, y);
  y = f32x4.add(r, y);
  y = madd(exponent, f32x4.splat(0.693359375), y);
  const finite = f32x4.lt(x, f32x4.splat(f32.MAX_VALUE));
  return v128.bitselect(y, x, finite);
}

/** `1 / (1 + e^-x)`. */
@inline
export function sigmoid(x: v128): v128 {
  const one = constant(Constant.one);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** The error function; |x| > 4 counts as 4, where it is 1 to f32. */
@inline
export function erf(x: v128): v128 {
  x = f32x4.pmin(x, constant(Constant.erfBound));
  x = f32x4.pmax(x, constant(Constant.erfLowBound));
  const x2 = f32x4.mul(x, x);
  let p = madd(constant(Constant.erfP0), x2, constant(Constant.erfP1));
  p = madd(p, x2, constant(Constant.erfP2));
  p = madd(p, x2, constant(Constant.erfP3));
  p = madd(p, x2, constant(Constant.erfP4));
  p = madd(p, x2, constant(Constant.erfP5));
  p = madd(p, x2, constant(Constant.erfP6));
  let q = madd(constant(Constant.erfQ0), x2, constant(Constant.erfQ1));
  q = madd(q, x2, constant(Constant.erfQ2));
  q = madd(q, x2, constant(Constant.erfQ3));
  q = madd(q, x2, constant(Constant.erfQ4));
  return f32x4.div(f32x4.mul(p, x), q);
}

/** log of one number, by the same polynomial. */
export function logScalar(x: f32): f32 {
  return f32x4.extract_lane(log(f32x4.splat(x)), 0);
}

/** pi / 2 in two parts, so that n times the first has no rounding error. */
const HALF_PI_HIGH: f64 = 1.57079632673412561417;
const HALF_PI_LOW: f64 = 6.07710050650619224932e-11;

/** sin(angle + quarter * pi / 2), for |angle| up to about 10^6. */
@inline
export function sinQuarter(angle: f64, quarter: i32): f64 {
  const n = nearest(angle * 0.63661977236758134308);
  const r = (angle - n * HALF_PI_HIGH) - n * HALF_PI_LOW;
  const turn = (<i32> n + quarter) & 3;
  const y = turn & 1 ? cosKernel(r) : sinKernel(r);
  return turn & 2 ? -y : y;
}

/** sin r for |r| <= pi / 4. */
@inline
function sinKernel(r: f64): f64 {
  const z = r * r;
  let p = 1.58969099521155010221e-10;
  p = p * z - 2.50507602534068634195e-08;
  p = p * z + 2.75573137070700676789e-06;
  p = p * z - 1.98412698298579493134e-04;
  p = p * z + 8.33333333332248946124e-03;
  p = p * z - 1.66666666666666324348e-01;
  return r + r * z * p;
}

/** cos r for |r| <= pi / 4. */
@inline
function cosKernel(r: f64): f64 {
  const z = r * r;
  let p = -1.13596475577881948265e-11;
  p = p * z + 2.08757232129817482790e-09;
  p = p * z - 2.75573143513906633035e-07;
  p = p * z + 2.48015872894767294178e-05;
  p = p * z - 1.38888888888741095749e-03;
  p = p * z + 4.16666666666666019037e-02;
  return 1 - 0.5 * z + z * z * p;
}
