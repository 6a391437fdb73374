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
import { firstLanes, load4, rowMax, store4, sumLanes } from "./simd";
import { shareStart, thread } from "./threads";

/** IGNORED_TARGET of graph/ops.ts. */
const IGNORED: u32 = 0xffffffff;

/** `rowLoss = lse - logits[target]`. */
export function crossEntropy(c: CrossEntropyCall): void {
  const end = shareStart(c.rows, thread + 1), V = c.V;
  for (let row = shareStart(c.rows, thread); row < end; row++) {
    const logits = c.logits + (<usize> row * V << 2);
    const highest = rowMax(logits, V), highs = f32x4.splat(highest);
    let sum = f32x4.splat(0);
    for (let i = 0; i < V; i += 4) {
      const left = V - i;
      const e = exp(f32x4.sub(load4(logits + (<usize> i << 2), left), highs));
      sum = f32x4.add(sum, firstLanes(e, left));
    }
    const lse = highest + logScalar(sumLanes(sum));
    store<f32>(c.lse + (<usize> row << 2), lse);
    const target = targetOf(c.targets, row, V);
    store<f32>(
      c.rowLoss + (<usize> row << 2),
      target == IGNORED ? 0 : lse - load<f32>(logits + (<usize> target << 2)),
    );
  }
}

/** `out = dRowLoss * (softmax - onehot)`. */
export function crossEntropyBackward(c: CrossEntropyBackwardCall): void {
  const end = shareStart(c.rows, thread + 1), V = c.V;
  for (let row = shareStart(c.rows, thread); row < end; row++) {
    const at = <usize> row * V << 2;
    const target = targetOf(c.targets, row, V);
    if (target == IGNORED) {
      memory.fill(c.out + at, 0, <usize> V << 2);
      continue;
    }
    const lse = v128.load_splat<f32>(c.lse + (<usize> row << 2));
    const d = load<f32>(c.dRowLoss + (<usize> row << 2));
    const ds = f32x4.splat(d);
    for (let i = 0; i < V; i += 4) {
      const left = V - i, offset = at + (<usize> i << 2);
      const p = exp(f32x4.sub(load4(c.logits + offset, left), lse));
      store4(c.out + offset, f32x4.mul(p, ds), left);
    }
    const hit = c.out + at + (<usize> target << 2);
    store<f32>(hit, load<f32>(hit) - d);
  }
}

/** `loss = addTo + scale * mean`. */
export function meanLoss(c: MeanLossCall): void {
  if (thread != 0) return;
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

/** `out[r] = dLoss * scale / count`. */
export function meanLossBackward(c: MeanLossBackwardCall): void {
  const end = shareStart(c.rows, thread + 1);
  const count = max(1, countTargets(c.targets, c.rows));
  const d = <f32> (<f64> load<f32>(c.dLoss) * c.scale / count);
  for (let row = shareStart(c.rows, thread); row < end; row++) {
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
