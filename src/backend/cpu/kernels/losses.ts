/**
 * Cross entropy, its mean, and their gradients.
 *
 * Rows are shared out; the mean is one thread's, in double precision.
 * A target outside the vocabulary traps, but for the one that says "ignore".
 *
 * @module
 */

import {
  CrossEntropyBackwardCall,
  CrossEntropyCall,
  MeanLossBackwardCall,
  MeanLossCall,
} from "./calls";
import { exp, logScalar } from "./math";
import { hasNative, nativeRowPowers, nativeScaledSoftmax } from "./native";
import { firstLanes, load4, rowMax, store4, sumLanes } from "./simd";
import { nextChunk, rangeEnd, rangeStart, takeRows } from "./threads";

/** IGNORED_TARGET of graph/ops.ts. */
const IGNORED: u32 = 0xffffffff;

/** `rowLoss = lse - logits[target]`. */
export function crossEntropy(c: CrossEntropyCall): void {
  while (takeRows(c.rows, c.V)) lossOfRows(c, rangeStart, rangeEnd);
}

function lossOfRows(c: CrossEntropyCall, first: i32, end: i32): void {
  const V = c.V;
  if (hasNative()) {
    // The sums go where the losses will be.
    nativeRowPowers(
      c.logits + (<usize> first * V << 2),
      end - first,
      V,
      c.lse + (<usize> first << 2),
      c.rowLoss + (<usize> first << 2),
    );
  }
  for (let row = first; row < end; row++) {
    const logits = c.logits + (<usize> row * V << 2);
    const index = <usize> row << 2;
    const lse = hasNative()
      ? load<f32>(c.lse + index) + logScalar(load<f32>(c.rowLoss + index))
      : logSumExp(logits, V);
    store<f32>(c.lse + index, lse);
    const target = targetOf(c.targets, row, V);
    store<f32>(
      c.rowLoss + index,
      target == IGNORED ? 0 : lse - load<f32>(logits + (<usize> target << 2)),
    );
  }
}

function logSumExp(logits: usize, V: i32): f32 {
  const highest = rowMax(logits, V), highs = f32x4.splat(highest);
  let sum = f32x4.splat(0);
  for (let i = 0; i < V; i += 4) {
    const left = V - i;
    const e = exp(f32x4.sub(load4(logits + (<usize> i << 2), left), highs));
    sum = f32x4.add(sum, firstLanes(e, left));
  }
  return highest + logScalar(sumLanes(sum));
}

/** `out = dRowLoss * (softmax - onehot)`. */
export function crossEntropyBackward(c: CrossEntropyBackwardCall): void {
  while (takeRows(c.rows, c.V)) {
    for (let row = rangeStart; row < rangeEnd; row++) gradientOfRow(c, row);
  }
}

function gradientOfRow(c: CrossEntropyBackwardCall, row: i32): void {
  const V = c.V;
  const at = <usize> row * V << 2, index = <usize> row << 2;
  const target = targetOf(c.targets, row, V);
  if (target == IGNORED) {
    memory.fill(c.out + at, 0, <usize> V << 2);
    return;
  }
  const lse = load<f32>(c.lse + index), d = load<f32>(c.dRowLoss + index);
  if (hasNative()) {
    nativeScaledSoftmax(c.out + at, c.logits + at, V, lse, d);
  } else scaledSoftmax(c.out + at, c.logits + at, V, lse, d);
  const hit = c.out + at + (<usize> target << 2);
  store<f32>(hit, load<f32>(hit) - d);
}

/** `out = factor e^(x - lse)` for one row of V. */
function scaledSoftmax(
  out: usize,
  x: usize,
  V: i32,
  lse: f32,
  factor: f32,
): void {
  const lses = f32x4.splat(lse), factors = f32x4.splat(factor);
  for (let i = 0; i < V; i += 4) {
    const left = V - i, at = <usize> i << 2;
    const p = exp(f32x4.sub(load4(x + at, left), lses));
    store4(out + at, f32x4.mul(p, factors), left);
  }
}

/** `loss = addTo + scale * mean`. */
export function meanLoss(c: MeanLossCall): void {
  if (nextChunk(1) != 0) return;
  let sum: f64 = 0;
  for (let row = 0; row < c.rows; row++) {
    if (load<u32>(c.targets + (<usize> row << 2)) == IGNORED) continue;
    sum += load<f32>(c.rowLoss + (<usize> row << 2));
  }
  const count = max(1, countTargets(c.targets, c.rows));
  let loss = <f64> c.scale * sum / count;
  if (c.addTo) loss += load<f32>(c.addTo);
  store<f32>(c.loss, <f32> loss);
}

/** `out[r] = dLoss * scale / count`: one thread, as counting is most of it. */
export function meanLossBackward(c: MeanLossBackwardCall): void {
  if (nextChunk(1) != 0) return;
  const count = max(1, countTargets(c.targets, c.rows));
  const d = <f32> (<f64> load<f32>(c.dLoss) * c.scale / count);
  for (let row = 0; row < c.rows; row++) {
    const index = <usize> row << 2;
    const ignored = load<u32>(c.targets + index) == IGNORED;
    store<f32>(c.out + index, ignored ? 0 : d);
  }
}

function countTargets(targets: usize, rows: i32): i32 {
  let count = 0;
  for (let row = 0; row < rows; row++) {
    count += i32(load<u32>(targets + (<usize> row << 2)) != IGNORED);
  }
  return count;
}

@inline
function targetOf(targets: usize, row: i32, V: i32): u32 {
  const target = load<u32>(targets + (<usize> row << 2));
  if (target >= <u32> V && target != IGNORED) unreachable();
  return target;
}
