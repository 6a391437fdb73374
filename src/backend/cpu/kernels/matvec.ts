/**
 * Products with one to four rows: memory bound, each byte of B is read once.
 *
 * This is what generating text is made of. B (K, N) is walked by rows, a
 * strip of columns per tile with the sums in scratch; B (N, K) gives one dot
 * product per column. Judge it in GB/s.
 *
 * @module
 */

import { MatmulCall } from "./calls";
import { dot, load4, madd, store4 } from "./simd";
import { nextTile, threadScratch } from "./threads";

/** More rows than this are worth packing. */
const MOST_ROWS: i32 = 4;
/** Columns of a tile. */
const TILE_COLS: i32 = 128;
/** Columns of a tile where every column is a dot product. */
const TILE_DOTS: i32 = 16;

/** Whether a product goes this way: a question of its shape alone. */
export function isMatvec(c: MatmulCall): bool {
  return c.M <= MOST_ROWS && (!c.transA || c.M == 1);
}

/** Bytes that each thread needs for its sums. */
export function matvecScratch(c: MatmulCall): usize {
  return <usize> c.M * TILE_COLS * 4;
}

/** `out = addTo + a op(b) + bias`. */
export function matvec(c: MatmulCall): void {
  const width = c.transB ? TILE_DOTS : TILE_COLS;
  const tiles = (c.N + width - 1) / width;
  for (let tile = nextTile(); tile < tiles; tile = nextTile()) {
    const first = tile * width, end = min(c.N, first + width);
    if (c.transB) dots(c, first, end);
    else columns(c, first, end);
  }
}

/** Columns of B stored as rows: `out[m, n] = a[m] . b[n]`. */
function dots(c: MatmulCall, first: i32, end: i32): void {
  const rowBytes = <usize> c.K << 2;
  for (let n = first; n < end; n++) {
    const b = c.b + <usize> n * rowBytes;
    for (let m = 0; m < c.M; m++) {
      let sum = dot(c.a + <usize> m * rowBytes, b, c.K);
      const at = (<usize> m * c.N + n) << 2;
      if (c.bias) sum += load<f32>(c.bias + (<usize> n << 2));
      if (c.addTo) sum += load<f32>(c.addTo + at);
      store<f32>(c.out + at, sum);
    }
  }
}

/** A strip of columns: adds up rows of B, four at a time. */
function columns(c: MatmulCall, first: i32, end: i32): void {
  const cols = end - first, stride = <usize> c.N << 2;
  memory.fill(threadScratch, 0, <usize> c.M * TILE_COLS * 4);
  let b = c.b + (<usize> first << 2);
  for (let k = 0; k < c.K; k += 4, b += 4 * stride) {
    const left = c.K - k;
    for (let m = 0; m < c.M; m++) {
      const a = c.a + ((<usize> m * c.K + k) << 2);
      const sums = threadScratch + (<usize> m * TILE_COLS << 2);
      if (left >= 4) addFourRows(sums, b, stride, v128.load(a), cols);
      else {
        for (let i = 0; i < left; i++) {
          const row = b + <usize> i * stride;
          addRow(sums, row, load<f32>(a + (<usize> i << 2)), cols);
        }
      }
    }
  }
  for (let m = 0; m < c.M; m++) {
    const sums = threadScratch + (<usize> m * TILE_COLS << 2);
    const at = (<usize> m * c.N + first) << 2;
    for (let i = 0; i < cols; i += 4) {
      const left = cols - i, offset = <usize> i << 2;
      let y = v128.load(sums + offset);
      if (c.bias) {
        const bias = c.bias + (<usize> first << 2) + offset;
        y = f32x4.add(y, load4(bias, left));
      }
      if (c.addTo) y = f32x4.add(y, load4(c.addTo + at + offset, left));
      store4(c.out + at + offset, y, left);
    }
  }
}

/** `sums += x[0] * row 0 + … + x[3] * row 3`. */
function addFourRows(
  sums: usize,
  row: usize,
  stride: usize,
  x: v128,
  cols: i32,
): void {
  const x0 = v128.shuffle<f32>(x, x, 0, 0, 0, 0);
  const x1 = v128.shuffle<f32>(x, x, 1, 1, 1, 1);
  const x2 = v128.shuffle<f32>(x, x, 2, 2, 2, 2);
  const x3 = v128.shuffle<f32>(x, x, 3, 3, 3, 3);
  const row1 = row + stride, row2 = row1 + stride, row3 = row2 + stride;
  const end = <usize> (cols & ~3) << 2;
  let at: usize = 0;
  for (; at < end; at += 16) {
    let y = madd(x0, v128.load(row + at), v128.load(sums + at));
    y = madd(x1, v128.load(row1 + at), y);
    y = madd(x2, v128.load(row2 + at), y);
    v128.store(sums + at, madd(x3, v128.load(row3 + at), y));
  }
  const left = cols & 3;
  if (!left) return;
  let y = madd(x0, load4(row + at, left), v128.load(sums + at));
  y = madd(x1, load4(row1 + at, left), y);
  y = madd(x2, load4(row2 + at, left), y);
  v128.store(sums + at, madd(x3, load4(row3 + at, left), y));
}

/** `sums += x * row`; the scratch has room beyond the last column. */
function addRow(sums: usize, row: usize, x: f32, cols: i32): void {
  const xs = f32x4.splat(x);
  for (let i = 0; i < cols; i += 4, sums += 16, row += 16) {
    v128.store(sums, madd(xs, load4(row, cols - i), v128.load(sums)));
  }
}
