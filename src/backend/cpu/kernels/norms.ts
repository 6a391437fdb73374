/**
 * LayerNorm, RMSNorm, their gradients, and column sums. Memory bound.
 *
 * Rows are shared out for everything that is per row; columns for what is
 * summed over rows. Column sums add blocks of rows, which keeps the rounding
 * error of thousands of rows near that of the block.
 * Source: Ba et al. 2016, Zhang & Sennrich 2019.
 *
 * @module
 */

import {
  LayerNormBackwardCall,
  LayerNormCall,
  NormWeightBackwardCall,
  RmsNormBackwardCall,
  RmsNormCall,
  SumRowsCall,
} from "./calls";
import { hasNative, nativeNorm, nativeNormBackward } from "./native";
import { firstLanes, load4, madd, store4, sumLanes } from "./simd";
import {
  LINE,
  rangeEnd,
  rangeStart,
  takeRange,
  takeRows,
} from "./threads";

/** Rows that are summed before they join the total. */
const SUM_ROWS: i32 = 64;
/** Columns that one thread takes: few, as their rows are many. */
const COLUMNS: i32 = 4 * LINE;

/** Takes some of `C` columns. */
function takeColumns(C: i32): bool {
  return takeRange(C, COLUMNS, LINE);
}

/** `(x - mean) * rstd * weight + bias`. */
export function layerNorm(c: LayerNormCall): void {
  while (takeRows(c.rows, c.C)) layerNormRows(c, rangeStart, rangeEnd);
}

function layerNormRows(c: LayerNormCall, first: i32, end: i32): void {
  const C = c.C, rowBytes = <usize> C << 2;
  if (hasNative()) {
    const at = <usize> first * rowBytes, index = <usize> first << 2;
    nativeNorm(
      c.out + at,
      c.mean + index,
      c.rstd + index,
      c.x + at,
      c.weight,
      c.bias,
      end - first,
      C,
      c.eps,
    );
    return;
  }
  for (let row = first; row < end; row++) {
    const x = c.x + <usize> row * rowBytes;
    let sum = f32x4.splat(0);
    for (let i = 0; i < C; i += 4) {
      sum = f32x4.add(sum, load4(x + (<usize> i << 2), C - i));
    }
    const mean = sumLanes(sum) / <f32> C, means = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    for (let i = 0; i < C; i += 4) {
      const left = C - i;
      const d = f32x4.sub(load4(x + (<usize> i << 2), left), means);
      const inside = firstLanes(d, left);
      squares = madd(inside, inside, squares);
    }
    const rstd: f32 = 1 / sqrt<f32>(sumLanes(squares) / <f32> C + c.eps);
    const rstds = f32x4.splat(rstd);
    const out = c.out + <usize> row * rowBytes;
    for (let i = 0; i < C; i += 4) {
      const left = C - i, at = <usize> i << 2;
      const xHat = f32x4.mul(f32x4.sub(load4(x + at, left), means), rstds);
      const w = load4(c.weight + at, left);
      const b = c.bias ? load4(c.bias + at, left) : f32x4.splat(0);
      store4(out + at, madd(xHat, w, b), left);
    }
    store<f32>(c.mean + (<usize> row << 2), mean);
    store<f32>(c.rstd + (<usize> row << 2), rstd);
  }
}

/**
 * With h = (x - mean) rstd and g = dOut weight:
 * `out = addTo + rstd * (g - mean(g) - h mean(g h))`.
 */
export function layerNormBackward(c: LayerNormBackwardCall): void {
  while (takeRows(c.rows, c.C)) layerNormRowsBackward(c, rangeStart, rangeEnd);
}

function layerNormRowsBackward(c: LayerNormBackwardCall, first: i32, end: i32): void {
  const rowBytes = <usize> c.C << 2;
  if (hasNative()) {
    const at = <usize> first * rowBytes, index = <usize> first << 2;
    nativeNormBackward(
      c.out + at,
      c.dOut + at,
      c.x + at,
      c.weight,
      c.mean + index,
      c.rstd + index,
      c.addTo ? c.addTo + at : 0,
      end - first,
      c.C,
    );
    return;
  }
  for (let row = first; row < end; row++) {
    const at = <usize> row * rowBytes, index = <usize> row << 2;
    normRowBackward(
      c.out + at,
      c.dOut + at,
      c.x + at,
      c.weight,
      load<f32>(c.mean + index),
      load<f32>(c.rstd + index),
      c.addTo ? c.addTo + at : 0,
      c.C,
      true,
    );
  }
}

/** `x * rstd * weight`. */
export function rmsNorm(c: RmsNormCall): void {
  while (takeRows(c.rows, c.C)) rmsNormRows(c, rangeStart, rangeEnd);
}

function rmsNormRows(c: RmsNormCall, first: i32, end: i32): void {
  const C = c.C, rowBytes = <usize> C << 2;
  if (hasNative()) {
    const at = <usize> first * rowBytes, index = <usize> first << 2;
    nativeNorm(
      c.out + at,
      0,
      c.rstd + index,
      c.x + at,
      c.weight,
      0,
      end - first,
      C,
      c.eps,
    );
    return;
  }
  for (let row = first; row < end; row++) {
    const x = c.x + <usize> row * rowBytes;
    let squares = f32x4.splat(0);
    for (let i = 0; i < C; i += 4) {
      const xs = load4(x + (<usize> i << 2), C - i);
      squares = madd(xs, xs, squares);
    }
    const rstd: f32 = 1 / sqrt<f32>(sumLanes(squares) / <f32> C + c.eps);
    const rstds = f32x4.splat(rstd);
    const out = c.out + <usize> row * rowBytes;
    for (let i = 0; i < C; i += 4) {
      const left = C - i, at = <usize> i << 2;
      const xHat = f32x4.mul(load4(x + at, left), rstds);
      store4(out + at, f32x4.mul(xHat, load4(c.weight + at, left)), left);
    }
    store<f32>(c.rstd + (<usize> row << 2), rstd);
  }
}

/** As {@linkcode layerNormBackward} with no mean taken away. */
export function rmsNormBackward(c: RmsNormBackwardCall): void {
  while (takeRows(c.rows, c.C)) rmsNormRowsBackward(c, rangeStart, rangeEnd);
}

function rmsNormRowsBackward(c: RmsNormBackwardCall, first: i32, end: i32): void {
  const rowBytes = <usize> c.C << 2;
  if (hasNative()) {
    const at = <usize> first * rowBytes;
    nativeNormBackward(
      c.out + at,
      c.dOut + at,
      c.x + at,
      c.weight,
      0,
      c.rstd + (<usize> first << 2),
      c.addTo ? c.addTo + at : 0,
      end - first,
      c.C,
    );
    return;
  }
  for (let row = first; row < end; row++) {
    const at = <usize> row * rowBytes;
    normRowBackward(
      c.out + at,
      c.dOut + at,
      c.x + at,
      c.weight,
      0,
      load<f32>(c.rstd + (<usize> row << 2)),
      c.addTo ? c.addTo + at : 0,
      c.C,
      false,
    );
  }
}

/** One row; `centered` for LayerNorm. */
@inline
function normRowBackward(
  out: usize,
  dOut: usize,
  x: usize,
  weight: usize,
  mean: f32,
  rstd: f32,
  add: usize,
  C: i32,
  centered: bool,
): void {
  const means = f32x4.splat(mean), rstds = f32x4.splat(rstd);
  let sumG = f32x4.splat(0), sumGH = f32x4.splat(0);
  for (let i = 0; i < C; i += 4) {
    const left = C - i, at = <usize> i << 2;
    const g = f32x4.mul(load4(dOut + at, left), load4(weight + at, left));
    const h = f32x4.mul(f32x4.sub(load4(x + at, left), means), rstds);
    if (centered) sumG = f32x4.add(sumG, g);
    sumGH = madd(g, h, sumGH);
  }
  const meanG = f32x4.splat(sumLanes(sumG) / <f32> C);
  const meanGH = f32x4.splat(sumLanes(sumGH) / <f32> C);
  for (let i = 0; i < C; i += 4) {
    const left = C - i, at = <usize> i << 2;
    const g = f32x4.mul(load4(dOut + at, left), load4(weight + at, left));
    const h = f32x4.mul(f32x4.sub(load4(x + at, left), means), rstds);
    let d = f32x4.sub(g, f32x4.mul(h, meanGH));
    if (centered) d = f32x4.sub(d, meanG);
    d = f32x4.mul(d, rstds);
    if (add) d = f32x4.add(d, load4(add + at, left));
    store4(out + at, d, left);
  }
}

/** `addTo + sum_r dOut * (x - mean) * rstd`; threads take columns. */
export function normWeightBackward(c: NormWeightBackwardCall): void {
  const rowBytes = <usize> c.C << 2, mean = c.mean;
  while (takeColumns(c.C)) {
    for (let col = rangeStart; col < rangeEnd; col += LINE) {
      const left = rangeEnd - col, at = <usize> col << 2;
      clearTotals();
      for (let first = 0; first < c.rows; first += SUM_ROWS) {
        const last = min(c.rows, first + SUM_ROWS);
        let sum0 = f32x4.splat(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (let row = first; row < last; row++) {
          const offset = <usize> row * rowBytes + at, index = <usize> row << 2;
          const d = c.dOut + offset, x = c.x + offset;
          const means = mean ? v128.load_splat<f32>(mean + index) : NO_MEAN;
          const rstd = v128.load_splat<f32>(c.rstd + index);
          sum0 = addNormed(sum0, d, x, means, rstd, left);
          sum1 = addNormed(sum1, d + 16, x + 16, means, rstd, left - 4);
          sum2 = addNormed(sum2, d + 32, x + 32, means, rstd, left - 8);
          sum3 = addNormed(sum3, d + 48, x + 48, means, rstd, left - 12);
        }
        addToTotals(sum0, sum1, sum2, sum3);
      }
      storeTotals(c.out + at, c.addTo ? c.addTo + at : 0, left);
    }
  }
}

/** `sum + d * (x - mean) * rstd`. */
@inline
function addNormed(
  sum: v128,
  d: usize,
  x: usize,
  mean: v128,
  rstd: v128,
  left: i32,
): v128 {
  const h = f32x4.mul(f32x4.sub(load4(x, left), mean), rstd);
  return madd(load4(d, left), h, sum);
}

/** `addTo + sum_r x[r]`; threads take columns. */
export function sumRows(c: SumRowsCall): void {
  const rowBytes = <usize> c.C << 2;
  while (takeColumns(c.C)) {
    for (let col = rangeStart; col < rangeEnd; col += LINE) {
      const left = rangeEnd - col, at = <usize> col << 2;
      clearTotals();
      for (let first = 0; first < c.rows; first += SUM_ROWS) {
        let row = c.x + <usize> first * rowBytes + at;
        let sum0 = f32x4.splat(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (let i = min(SUM_ROWS, c.rows - first); i > 0; i--, row += rowBytes) {
          sum0 = f32x4.add(sum0, load4(row, left));
          sum1 = f32x4.add(sum1, load4(row + 16, left - 4));
          sum2 = f32x4.add(sum2, load4(row + 32, left - 8));
          sum3 = f32x4.add(sum3, load4(row + 48, left - 12));
        }
        addToTotals(sum0, sum1, sum2, sum3);
      }
      storeTotals(c.out + at, c.addTo ? c.addTo + at : 0, left);
    }
  }
}

// The totals of a cache line of columns, kept from one block of rows to the
// next: globals, as a function cannot return four vectors.
const NO_MEAN: v128 = f32x4.splat(0);
let total0: v128 = f32x4.splat(0);
let total1: v128 = f32x4.splat(0);
let total2: v128 = f32x4.splat(0);
let total3: v128 = f32x4.splat(0);

@inline
function clearTotals(): void {
  total0 = total1 = total2 = total3 = f32x4.splat(0);
}

@inline
function addToTotals(sum0: v128, sum1: v128, sum2: v128, sum3: v128): void {
  total0 = f32x4.add(total0, sum0);
  total1 = f32x4.add(total1, sum1);
  total2 = f32x4.add(total2, sum2);
  total3 = f32x4.add(total3, sum3);
}

@inline
function storeTotals(out: usize, add: usize, left: i32): void {
  store4(out, addIf(add, total0, left), left);
  store4(out + 16, addIf(add ? add + 16 : 0, total1, left - 4), left - 4);
  store4(out + 32, addIf(add ? add + 32 : 0, total2, left - 8), left - 8);
  store4(out + 48, addIf(add ? add + 48 : 0, total3, left - 12), left - 12);
}

@inline
function addIf(add: usize, x: v128, left: i32): v128 {
  return add ? f32x4.add(x, load4(add, left)) : x;
}
