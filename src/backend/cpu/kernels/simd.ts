/**
 * Four lanes at a time: the small vocabulary that all kernels are written in.
 *
 * A row whose length is not a multiple of four ends in a partial vector.
 * `load4` and `store4` touch only the elements that are left, so every element
 * goes through the same instructions wherever a row or a thread's share ends:
 * results do not depend on alignment or on the number of threads.
 *
 * @module
 */

/** Bytes of one f32 or u32. */
export const F32: usize = 4;

/** `a * b + c`, in one rounding where the build has relaxed SIMD. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Four elements, or the `left` that remain (0 or fewer: none), then zeros. */
@inline
export function load4(at: usize, left: i32): v128 {
  return left >= 4 ? v128.load(at) : loadPart(at, left);
}

/** Writes four elements, or the first `left` of them. */
@inline
export function store4(at: usize, x: v128, left: i32): void {
  if (left >= 4) v128.store(at, x);
  else storePart(at, x, left);
}

function loadPart(at: usize, left: i32): v128 {
  if (left <= 0) return f32x4.splat(0);
  if (left == 1) return v128.load32_zero(at);
  const two = v128.load64_zero(at);
  return left == 2 ? two : v128.load32_lane(at, two, 2, 8);
}

function storePart(at: usize, x: v128, left: i32): void {
  if (left <= 0) return;
  if (left == 1) {
    v128.store32_lane(at, x, 0);
    return;
  }
  v128.store64_lane(at, x, 0);
  if (left == 3) v128.store32_lane(at, x, 2, 8);
}

/** The first `left` lanes of `x`; the others become 0. */
@inline
export function firstLanes(x: v128, left: i32): v128 {
  if (left >= 4) return x;
  const lanes = i32x4(0, 1, 2, 3);
  return v128.and(x, i32x4.lt_s(lanes, i32x4.splat(left)));
}

/** Lane sum, in one fixed order. */
@inline
export function sumLanes(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** The largest lane. */
@inline
export function maxLanes(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** The largest of `n` elements, n at least 1; NaN does not count. */
export function rowMax(x: usize, n: i32): f32 {
  let most = v128.load_splat<f32>(x);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16) most = f32x4.pmax(most, v128.load(x));
  for (; i < n; i++, x += 4) {
    most = f32x4.pmax(most, v128.load_splat<f32>(x));
  }
  return maxLanes(most);
}

/** `sum_i a[i] * b[i]` of two rows. */
export function dot(a: usize, b: usize, n: i32): f32 {
  let sum0 = f32x4.splat(0), sum1 = f32x4.splat(0);
  let i = 0;
  for (; i + 8 <= n; i += 8, a += 32, b += 32) {
    sum0 = madd(v128.load(a), v128.load(b), sum0);
    sum1 = madd(v128.load(a, 16), v128.load(b, 16), sum1);
  }
  for (; i < n; i += 4, a += 16, b += 16) {
    sum0 = madd(load4(a, n - i), load4(b, n - i), sum0);
  }
  return sumLanes(f32x4.add(sum0, sum1));
}

/**
 * Four dot products of one row with four others, `stride` bytes apart.
 *
 * Each in the order of {@linkcode dot}; side by side they keep more loads
 * under way than one after another.
 */
export function dotFour(a: usize, b: usize, stride: usize, n: i32): v128 {
  const b1 = b + stride, b2 = b1 + stride, b3 = b2 + stride;
  const zero = f32x4.splat(0);
  let even0 = zero, even1 = zero, even2 = zero, even3 = zero;
  let odd0 = zero, odd1 = zero, odd2 = zero, odd3 = zero;
  let i = 0;
  let at: usize = 0;
  for (; i + 8 <= n; i += 8, at += 32) {
    const x = v128.load(a + at), y = v128.load(a + at, 16);
    even0 = madd(x, v128.load(b + at), even0);
    odd0 = madd(y, v128.load(b + at, 16), odd0);
    even1 = madd(x, v128.load(b1 + at), even1);
    odd1 = madd(y, v128.load(b1 + at, 16), odd1);
    even2 = madd(x, v128.load(b2 + at), even2);
    odd2 = madd(y, v128.load(b2 + at, 16), odd2);
    even3 = madd(x, v128.load(b3 + at), even3);
    odd3 = madd(y, v128.load(b3 + at, 16), odd3);
  }
  for (; i < n; i += 4, at += 16) {
    const left = n - i, x = load4(a + at, left);
    even0 = madd(x, load4(b + at, left), even0);
    even1 = madd(x, load4(b1 + at, left), even1);
    even2 = madd(x, load4(b2 + at, left), even2);
    even3 = madd(x, load4(b3 + at, left), even3);
  }
  return f32x4(
    sumLanes(f32x4.add(even0, odd0)),
    sumLanes(f32x4.add(even1, odd1)),
    sumLanes(f32x4.add(even2, odd2)),
    sumLanes(f32x4.add(even3, odd3)),
  );
}
