/**
 * Constants of the hot loops, as vectors in memory.
 *
 * V8 builds a constant vector anew each time it is used, from immediates
 * through integer registers; loading it is one operand of the instruction that
 * uses it. Measured on exp: 1.73 ns an element with immediates, 1.04 ns so
 * (AMD Zen 4 at 2.6 GHz, V8 15.0, November 2026).
 *
 * @module
 */

/** Behind the words of the barrier; the records begin at 2048. */
const TABLE: usize = 512;

/**
 * 16 words of -1 and then 16 of 0: native code for AVX2 cuts its masks for
 * the first columns of a tile from here.
 */
export const MASK_TABLE: usize = 1792;

/** Names of the vectors. */
export const enum Constant {
  one,
  half,
  expLow,
  expHigh,
  rounder,
  log2e,
  ln2High,
  ln2Low,
  exp0,
  exp1,
  exp2,
  exp3,
  exp4,
  exp5,
  erfBound,
  erfLowBound,
  erfP0,
  erfP1,
  erfP2,
  erfP3,
  erfP4,
  erfP5,
  erfP6,
  erfQ0,
  erfQ1,
  erfQ2,
  erfQ3,
  erfQ4,
  sqrtHalf,
  minusHalf,
  density0,
  tanhScale2,
  tanhCubic,
  tanhCubic3,
  tanhBound,
  tanhLowBound,
}

/** Four times the constant. */
@inline
export function constant(name: Constant): v128 {
  return v128.load(TABLE + (<usize> name << 4));
}

/** Writes the table; all threads write the same. */
export function initConstants(): void {
  memory.fill(MASK_TABLE, 0xff, 64);
  memory.fill(MASK_TABLE + 64, 0, 64);
  set(Constant.one, 1);
  set(Constant.half, 0.5);
  // Below this, e^x is less than the smallest normal f32, and taken as 0.
  set(Constant.expLow, -87.33654);
  // Above this, e^x stays at its value here, 2.4e38.
  set(Constant.expHigh, 88.37626);
  // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits.
  set(Constant.rounder, 12582912);
  set(Constant.log2e, 1.44269504088896341);
  // ln 2 in two parts, negated; the first has few bits, so n times it is exact.
  set(Constant.ln2High, -0.693359375);
  set(Constant.ln2Low, 2.12194440e-4);
  set(Constant.exp0, 1.9875691500e-4);
  set(Constant.exp1, 1.3981999507e-3);
  set(Constant.exp2, 8.3334519073e-3);
  set(Constant.exp3, 4.1665795894e-2);
  set(Constant.exp4, 1.6666665459e-1);
  set(Constant.exp5, 5.0000001201e-1);
  set(Constant.erfBound, 4);
  set(Constant.erfLowBound, -4);
  set(Constant.erfP0, -2.72614225801306e-10);
  set(Constant.erfP1, 2.77068142495902e-08);
  set(Constant.erfP2, -2.10102402082508e-06);
  set(Constant.erfP3, -5.69250639462346e-05);
  set(Constant.erfP4, -7.34990630326855e-04);
  set(Constant.erfP5, -2.95459980854025e-03);
  set(Constant.erfP6, -1.60960333262415e-02);
  set(Constant.erfQ0, -1.45660718464996e-05);
  set(Constant.erfQ1, -2.13374055278905e-04);
  set(Constant.erfQ2, -1.68282697438203e-03);
  set(Constant.erfQ3, -7.37332916720468e-03);
  set(Constant.erfQ4, -1.42647390514189e-02);
  set(Constant.sqrtHalf, 0.7071067811865476);
  set(Constant.minusHalf, -0.5);
  // 1 / sqrt(2 pi): the normal density at 0.
  set(Constant.density0, 0.3989422804014327);
  // 2 sqrt(2 / pi), and the cubic term of the GELU by tanh.
  set(Constant.tanhScale2, 1.5957691216057308);
  set(Constant.tanhCubic, 0.044715);
  set(Constant.tanhCubic3, 0.134145);
  set(Constant.tanhBound, 87);
  set(Constant.tanhLowBound, -87);
}

function set(name: Constant, value: f32): void {
  v128.store(TABLE + (<usize> name << 4), f32x4.splat(value));
}
