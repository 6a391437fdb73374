/**
 * The end of a step: gradient norm, clipping and AdamW. Memory bound.
 *
 * @module
 */

import { AdamwCall, ClipScaleCall } from "./calls";
import { RecordStepCall, SumSquaresCall } from "./calls";
import { firstLanes, madd, sumLanes } from "./simd";
import {
  barrier,
  nextChunk,
  nextOfShare,
  rangeEnd,
  rangeStart,
  takeElements,
} from "./threads";

/** SUM_CHUNK of graph/ops.ts. */
const SUM_CHUNK: i32 = 8192;

/** `out = addTo + sum x^2`: threads take chunks, one thread adds them up. */
export function sumSquares(c: SumSquaresCall): void {
  const chunks = (c.n + SUM_CHUNK - 1) / SUM_CHUNK;
  for (let i = nextOfShare(chunks); i < chunks; i = nextOfShare(chunks)) {
    const first = i * SUM_CHUNK;
    store<f32>(
      c.partials + (<usize> i << 2),
      sumChunk(c.x + (<usize> first << 2), min(SUM_CHUNK, c.n - first)),
    );
  }
  barrier();
  if (nextChunk(1) != 0) return;
  let sum: f64 = c.addTo ? load<f32>(c.addTo) : 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    sum += load<f32>(c.partials + (<usize> chunk << 2));
  }
  store<f32>(c.out, <f32> sum);
}

function sumChunk(x: usize, n: i32): f32 {
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 32) {
    const x0 = v128.load(x), x1 = v128.load(x, 16);
    sum0 = madd(x0, x0, sum0);
    sum1 = madd(x1, x1, sum1);
  }
  for (; i < n; i += 4, x += 16) {
    const x0 = firstLanes(v128.load(x), n - i);
    sum0 = madd(x0, x0, sum0);
  }
  return sumLanes(f32x4.add(sum0, sum1));
}

/** The norm, and what gradients are multiplied by. */
export function clipScale(c: ClipScaleCall): void {
  if (nextChunk(1) != 0) return;
  const norm = sqrt<f64>(load<f32>(c.sumSquares));
  let scale: f64 = 1;
  if (c.maxNorm > 0) scale = min<f64>(1, <f64> c.maxNorm / (norm + 1e-6));
  if (!isFinite(norm)) scale = 0;
  store<f32>(c.gradNorm, <f32> norm);
  store<f32>(c.scale, <f32> scale);
}

/** A row of the log, and the rates of this update. */
export function recordStep(c: RecordStepCall): void {
  if (nextChunk(1) != 0) return;
  const slot = load<u32>(c.slot);
  const row = c.log + (<usize> slot << 4);
  const before: f32 = slot == 0 ? 0 : load<f32>(row - 4);
  const scale = load<f32>(c.scale);
  store<f32>(row, load<f32>(c.loss));
  store<f32>(row, load<f32>(c.gradNorm), 4);
  store<f32>(row, scale, 8);
  store<f32>(row, scale == 0 ? before : before + 1, 12);
  store<f32>(c.hyper, load<f32>(c.schedule + 12 * <usize> slot));
  const rates = c.schedule + 12 * <usize> before;
  store<f32>(c.hyper, load<f32>(rates, 4), 4);
  store<f32>(c.hyper, load<f32>(rates, 8), 8);
}

/** One AdamW update in place. Source: Loshchilov & Hutter 2019. */
export function adamw(c: AdamwCall): void {
  while (takeElements(c.n)) {
    if (load<f32>(c.scale) != 0) updateElements(c, rangeStart, rangeEnd);
  }
}

function updateElements(c: AdamwCall, first: i32, last: i32): void {
  const lr = load<f32>(c.hyper);
  const scale = f32x4.splat(load<f32>(c.scale));
  const beta1 = f32x4.splat(c.beta1), rest1 = f32x4.splat(c.oneMinusBeta1);
  const beta2 = f32x4.splat(c.beta2), rest2 = f32x4.splat(c.oneMinusBeta2);
  const eps = f32x4.splat(c.eps);
  const rate = f32x4.splat(lr / load<f32>(c.hyper, 4));
  const correct2 = f32x4.splat(1 / load<f32>(c.hyper, 8));
  const decay = f32x4.splat(lr * c.weightDecay);
  const end = <usize> last << 2;
  for (let at = <usize> first << 2; at < end; at += 16) {
    const g = f32x4.mul(v128.load(c.grad + at), scale);
    const m = madd(beta1, v128.load(c.m + at), f32x4.mul(rest1, g));
    const v = madd(
      beta2,
      v128.load(c.v + at),
      f32x4.mul(rest2, f32x4.mul(g, g)),
    );
    const root = f32x4.add(f32x4.sqrt(f32x4.mul(v, correct2)), eps);
    let p = v128.load(c.param + at);
    p = f32x4.sub(p, f32x4.mul(decay, p));
    p = f32x4.sub(p, f32x4.mul(rate, f32x4.div(m, root)));
    v128.store(c.param + at, p);
    v128.store(c.m + at, m);
    v128.store(c.v + at, v);
  }
}
