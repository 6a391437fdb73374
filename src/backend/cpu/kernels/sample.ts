/**
 * Choosing the next token: one thread, a few passes over the vocabulary.
 *
 * Sums and scores are f64. Nothing is sorted: top-k keeps a heap of the k
 * largest, top-p takes the likeliest from a heap until they reach it. Oracle:
 * ../../reference/sample.ts.
 *
 * @module
 */

import { SampleCall } from "./calls";
import { uniform } from "./philox";
import { nextChunk, threadScratch } from "./threads";

/** NO_TOKEN of graph/ops.ts. */
const NO_TOKEN: u32 = 0xffffffff;

/** Scores, then probabilities, f64; a heap, f64; ids of candidates, u32. */
export function sampleScratch(c: SampleCall): usize {
  return 20 * <usize> c.V;
}

/** See `sample` in graph/ops.ts. */
export function sample(c: SampleCall): void {
  if (nextChunk(1) != 0) return;
  const n = min(load<u32>(c.choice, 20), <u32> c.V);
  const row = c.drawn + (<usize> load<u32>(c.choice, 12) << 2);
  const scores = threadScratch;
  const best = penalized(c, n, scores);
  if (best == NO_TOKEN) {
    store<u32>(c.id, 0);
    store<u32>(row, NO_TOKEN);
    return;
  }
  const temperature = load<f32>(c.settings);
  const chosen = temperature == 0
    ? best
    : draw(c, n, scores, load<f64>(scores + (<usize> best << 3)));
  store<u32>(c.id, chosen);
  store<u32>(row, chosen);
  const word = c.used + (<usize> (chosen >> 5) << 2);
  store<u32>(word, load<u32>(word) | (1 << (chosen & 31)));
}

/** Writes the scores. @returns The first of the largest, or NO_TOKEN. */
function penalized(c: SampleCall, n: u32, scores: usize): u32 {
  const penalty = <f64> load<f32>(c.settings, 8);
  let best: u32 = 0, largest = -Infinity, sum: f64 = 0;
  for (let id: u32 = 0; id < n; id++) {
    let x = <f64> load<f32>(c.logits + (<usize> id << 2));
    sum += x - x; // of zeros, unless there is an infinity or a NaN
    if (penalty != 1) {
      const word = load<u32>(c.used + (<usize> (id >> 5) << 2));
      if (word >> (id & 31) & 1) x = x > 0 ? x / penalty : x * penalty;
    }
    store<f64>(scores + (<usize> id << 3), x);
    if (x > largest) {
      largest = x;
      best = id;
    }
  }
  return sum == 0 ? best : NO_TOKEN;
}

/** Draws one of the candidates. */
function draw(c: SampleCall, n: u32, scores: usize, largest: f64): u32 {
  const temperature = <f64> load<f32>(c.settings);
  const topP = load<f32>(c.settings, 4), topK = load<u32>(c.choice, 16);
  const heap = scores + (<usize> n << 3), ids = heap + (<usize> n << 3);

  // 1. Those of top-k, in ascending order of id, and their weights.
  const all = topK == 0 || topK >= n;
  const bound = all ? -Infinity : kthLargest(scores, n, heap, topK);
  let ties = all ? n : topK, count: u32 = 0, total: f64 = 0;
  if (!all) {
    for (let id: u32 = 0; id < n; id++) {
      if (load<f64>(scores + (<usize> id << 3)) > bound) ties--;
    }
  }
  for (let id: u32 = 0; id < n; id++) {
    const score = load<f64>(scores + (<usize> id << 3));
    if (score < bound) continue;
    if (score == bound && !all) {
      if (ties == 0) continue;
      ties--;
    }
    // Its place is not beyond that of its score, which is not needed later.
    const weight = exp64((score - largest) / temperature);
    store<f64>(scores + (<usize> count << 3), weight);
    store<u32>(ids + (<usize> count << 2), id);
    total += weight;
    count++;
  }

  // 2. The likeliest of them that reach top-p: the others get no weight.
  if (topP < 1) total = keepLikeliest(scores, count, heap, topP * total);

  // 3. One of them.
  let rest = uniform(c.choice, load<u32>(c.choice, 8)) * total;
  let last: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight = load<f64>(scores + (<usize> i << 3));
    if (weight == 0) continue;
    last = load<u32>(ids + (<usize> i << 2));
    rest -= weight;
    if (rest < 0) break;
  }
  return last;
}

/** The k-th largest, by a heap of the k largest so far, least on top. */
function kthLargest(scores: usize, n: u32, heap: usize, k: u32): f64 {
  memory.copy(heap, scores, <usize> k << 3);
  for (let i = <i32> (k >> 1) - 1; i >= 0; i--) siftLeast(heap, i, k);
  for (let id = k; id < n; id++) {
    const score = load<f64>(scores + (<usize> id << 3));
    if (score <= load<f64>(heap)) continue;
    store<f64>(heap, score);
    siftLeast(heap, 0, k);
  }
  return load<f64>(heap);
}

/** Moves an entry down until the entries below it are not smaller. */
function siftLeast(heap: usize, from: u32, size: u32): void {
  const value = load<f64>(heap + (<usize> from << 3));
  for (;;) {
    let child: u32 = 2 * from + 1;
    if (child >= size) break;
    let least = load<f64>(heap + (<usize> child << 3));
    if (child + 1 < size) {
      const other = load<f64>(heap + (<usize> (child + 1) << 3));
      if (other < least) {
        least = other;
        child++;
      }
    }
    if (least >= value) break;
    store<f64>(heap + (<usize> from << 3), least);
    from = child;
  }
  store<f64>(heap + (<usize> from << 3), value);
}

/**
 * Keeps the fewest, likeliest first and lower ones first among equals, whose
 * weights reach `goal`; the others become 0.
 *
 * @param heap Room for `count` u32, and as many again.
 * @returns The weight of those kept, added up in their order.
 */
function keepLikeliest(
  weights: usize,
  count: u32,
  heap: usize,
  goal: f64,
): f64 {
  const kept = heap + (<usize> count << 2);
  for (let i: u32 = 0; i < count; i++) store<u32>(heap + (<usize> i << 2), i);
  for (let i = <i32> (count >> 1) - 1; i >= 0; i--) {
    siftLikeliest(weights, heap, i, count);
  }
  memory.fill(kept, 0, <usize> count << 2);
  let reached: f64 = 0;
  for (let size = count; size > 0 && reached < goal; size--) {
    const top = load<u32>(heap);
    reached += load<f64>(weights + (<usize> top << 3));
    store<u32>(kept + (<usize> top << 2), 1);
    store<u32>(heap, load<u32>(heap + (<usize> (size - 1) << 2)));
    siftLikeliest(weights, heap, 0, size - 1);
  }
  let total: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const at = weights + (<usize> i << 3);
    if (load<u32>(kept + (<usize> i << 2)) == 0) store<f64>(at, 0);
    else total += load<f64>(at);
  }
  return total;
}

function siftLikeliest(weights: usize, heap: usize, from: u32, size: u32): void {
  if (from >= size) return;
  const moved = load<u32>(heap + (<usize> from << 2));
  for (;;) {
    let child: u32 = 2 * from + 1;
    if (child >= size) break;
    let next = load<u32>(heap + (<usize> child << 2));
    if (child + 1 < size) {
      const other = load<u32>(heap + (<usize> (child + 1) << 2));
      if (comesBefore(weights, other, next)) {
        next = other;
        child++;
      }
    }
    if (!comesBefore(weights, next, moved)) break;
    store<u32>(heap + (<usize> from << 2), next);
    from = child;
  }
  store<u32>(heap + (<usize> from << 2), moved);
}

@inline
function comesBefore(weights: usize, a: u32, b: u32): bool {
  const x = load<f64>(weights + (<usize> a << 3));
  const y = load<f64>(weights + (<usize> b << 3));
  return x > y || x == y && a < b;
}

/** e^x for x <= 0, as fdlibm's e_exp.c (Sun 1993), 0 where it is denormal. */
function exp64(x: f64): f64 {
  if (x < -708) return 0;
  const k = nearest(x * 1.44269504088896338700);
  const high = x - k * 6.93147180369123816490e-01;
  const low = k * 1.90821492927058770002e-10;
  const r = high - low, t = r * r;
  let p = 4.13813679705723846039e-08;
  p = p * t - 1.65339022054652515390e-06;
  p = p * t + 6.61375632143793436117e-05;
  p = p * t - 2.77777777770155933842e-03;
  p = p * t + 1.66666666666666019037e-01;
  const c = r - t * p;
  const y = 1 - ((low - r * c / (2 - c)) - high);
  return y * reinterpret<f64>((<i64> k + 1023) << 52);
}
