/**
 * Products with one to four rows: memory bound, each byte of B is read once.
 *
 * This is what generating text is made of. B (N, K) gives one dot product per
 * column. B (K, N) is cut into ranges of whole rows, so that memory is read in
 * long runs; their sums meet in shared scratch and are added up in order.
 * Judge it in GB/s.
 *
 * @module
 */

import { MatmulCall } from "./calls";
import { dot, load4, madd, store4 } from "./simd";
import {
  barrier,
  nextChunk,
  rangeEnd,
  rangeStart,
  sharedScratch,
  takeElements,
} from "./threads";

/** More rows than this are worth packing. */
const MOST_ROWS: i32 = 4;
/** Columns of a tile where every column is a dot product, at least and most. */
const MIN_DOTS: i32 = 16;
const MAX_DOTS: i32 = 128;
/** Tiles enough for many threads; fewer and longer ones read faster. */
const MANY_TILES: i32 = 64;
/** Columns of a tile of whole rows: their sums stay in the first cache. */
const TILE_COLS: i32 = 4096;
/** Ranges that the rows of B are cut into, at most. */
const MOST_RANGES: i32 = 16;
/** Rows of a range, at least; a multiple of 4, as ranges begin at one. */
const MIN_RANGE: i32 = 32;

/** Whether a product goes this way: a question of its shape alone. */
export function isMatvec(c: MatmulCall): bool {
  return c.M <= MOST_ROWS && (!c.transA || c.M == 1);
}

/** Bytes that the threads share: the sums of each range. */
export function matvecSharedScratch(c: MatmulCall): usize {
  return c.transB ? 0 : <usize> ranges(c) * c.M * sumStride(c) << 2;
}

/** `out = addTo + a op(b) + bias`. */
export function matvec(c: MatmulCall): void {
  if (!c.transB) {
    addRanges(c);
    return;
  }
  const cols = max(MIN_DOTS, min(MAX_DOTS, c.N / MANY_TILES));
  const tiles = (c.N + cols - 1) / cols;
  for (let tile = nextChunk(tiles); tile < tiles; tile = nextChunk(tiles)) {
    const first = tile * cols;
    dots(c, first, min(c.N, first + cols));
  }
}

/**
 * Columns of B stored as rows: `out[m, n] = a[m] . b[n]`. One row of B after
 * the other: a single long run of memory is what prefetchers know best.
 */
function dots(c: MatmulCall, first: i32, end: i32): void {
  const rowBytes = <usize> c.K << 2;
  for (let n = first; n < end; n++) {
    const b = c.b + <usize> n * rowBytes;
    for (let m = 0; m < c.M; m++) {
      const sum = dot(c.a + <usize> m * rowBytes, b, c.K);
      finish(c, m, n, f32x4.splat(sum), 1);
    }
  }
}

/** Writes four sums, or the `left` that remain, with bias and addTo. */
@inline
function finish(c: MatmulCall, m: i32, n: i32, sums: v128, left: i32): void {
  const at = (<usize> m * c.N + n) << 2;
  if (c.bias) sums = f32x4.add(sums, load4(c.bias + (<usize> n << 2), left));
  if (c.addTo) sums = f32x4.add(sums, load4(c.addTo + at, left));
  store4(c.out + at, sums, left);
}

/** Rows of B in a range. */
function rangeRows(c: MatmulCall): i32 {
  const even = (c.K + MOST_RANGES - 1) / MOST_RANGES;
  return max(MIN_RANGE, (even + 3) & ~3);
}

function ranges(c: MatmulCall): i32 {
  return (c.K + rangeRows(c) - 1) / rangeRows(c);
}

/** Elements from the sums of one row of A to those of the next. */
function sumStride(c: MatmulCall): i32 {
  return (c.N + 15) & ~15;
}

/** B as it is: sums of ranges of rows, then the sum of those. */
function addRanges(c: MatmulCall): void {
  const colTiles = (c.N + TILE_COLS - 1) / TILE_COLS;
  const count = ranges(c), rows = rangeRows(c), stride = sumStride(c);
  const tiles = count * colTiles;
  for (let tile = nextChunk(tiles); tile < tiles; tile = nextChunk(tiles)) {
    const range = tile / colTiles, first = tile % colTiles * TILE_COLS;
    sumRange(
      c,
      sharedScratch + (<usize> (range * c.M * stride + first) << 2),
      range * rows,
      min(c.K, range * rows + rows),
      first,
      min(TILE_COLS, c.N - first),
    );
  }
  barrier();
  while (takeElements(c.N)) addSums(c, rangeStart, rangeEnd);
}

/** Adds up the sums of all ranges, for columns `first` to `end`. */
function addSums(c: MatmulCall, first: i32, end: i32): void {
  const count = ranges(c), stride = sumStride(c);
  const step = <usize> (c.M * stride) << 2;
  for (let m = 0; m < c.M; m++) {
    for (let n = first; n < end; n += 4) {
      let from = sharedScratch + (<usize> (m * stride + n) << 2);
      let sum = v128.load(from);
      for (let range = 1; range < count; range++) {
        from += step;
        sum = f32x4.add(sum, v128.load(from));
      }
      finish(c, m, n, sum, end - n);
    }
  }
}

/**
 * Adds up rows `k` to `end` of some columns, one after the other: two rows at
 * a time halve the work on the sums, and the speed of reading with it (30 to
 * 37 GB/s against 18 to 25; AMD Zen 4, 2 threads, November 2026).
 */
function sumRange(
  c: MatmulCall,
  sums: usize,
  k: i32,
  end: i32,
  first: i32,
  cols: i32,
): void {
  const stride = <usize> c.N << 2, sumBytes = <usize> sumStride(c) << 2;
  for (let m: usize = 0; m < <usize> c.M; m++) {
    memory.fill(sums + m * sumBytes, 0, (<usize> cols + 3 & ~3) << 2);
  }
  let b = c.b + (<usize> k * c.N + first << 2);
  for (; k < end; k++, b += stride) {
    for (let m = 0; m < c.M; m++) {
      const x = load<f32>(c.a + (<usize> (m * c.K + k) << 2));
      addRow(sums + <usize> m * sumBytes, b, x, cols);
    }
  }
}

/** `sums += x * row`; the scratch has room beyond the last column. */
function addRow(sums: usize, row: usize, x: f32, cols: i32): void {
  const xs = f32x4.splat(x);
  let i = 0;
  for (; i + 16 <= cols; i += 16, sums += 64, row += 64) {
    const y0 = madd(xs, v128.load(row), v128.load(sums));
    const y1 = madd(xs, v128.load(row, 16), v128.load(sums, 16));
    const y2 = madd(xs, v128.load(row, 32), v128.load(sums, 32));
    const y3 = madd(xs, v128.load(row, 48), v128.load(sums, 48));
    v128.store(sums, y0);
    v128.store(sums, y1, 16);
    v128.store(sums, y2, 32);
    v128.store(sums, y3, 48);
  }
  for (; i < cols; i += 4, sums += 16, row += 16) {
    v128.store(sums, madd(xs, load4(row, cols - i), v128.load(sums)));
  }
}
