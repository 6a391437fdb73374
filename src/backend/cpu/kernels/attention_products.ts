/**
 * The matrix products inside attention: each knows that a query sees the keys
 * up to its own only, and leaves out the rest tile by tile.
 *
 * `p` are scores or probabilities of some query rows, `stride` bytes from row
 * to row. The first of the rows is `row` keys behind the first of the keys, so
 * that row i sees the keys 0 … row + i.
 *
 * @module
 */

import {
  addStrip,
  exactCode,
  multiplyBlock,
  packedStep,
  panelCols,
  stripRows,
} from "./gemm_kernel";
import { multiplyTile } from "./gemm_tile";

/**
 * `p[i, j] = a[i] . b[j]` where row i sees key j; elsewhere anything.
 *
 * @param a Rows of D, `aStride` elements apart.
 * @param aPack Room for a strip of D.
 * @param b `keys` keys as packed columns, D deep.
 */
export function scoreRows(
  p: usize,
  stride: usize,
  a: usize,
  aStride: i32,
  aPack: usize,
  b: usize,
  keys: i32,
  D: i32,
  row: i32,
  rows: i32,
): void {
  const code = exactCode(), mr = stripRows(code);
  const panelBytes = <usize> (D * panelCols(code)) << 2;
  for (let i = 0; i < rows; i += mr) {
    const strip = min(mr, rows - i), seen = min(keys, row + i + strip);
    if (seen <= 0) continue;
    const first = <usize> i * aStride << 2;
    multiplyBlock(
      code,
      a + first,
      aStride,
      false,
      aPack,
      b,
      panelBytes,
      packedStep(code),
      strip,
      seen,
      D,
      p + <usize> i * stride,
      stride,
      0,
      0,
    );
  }
}

/**
 * `out[i] = sum_j p[i, j] b[j]` over the keys j that row i sees; p is 0 for
 * the keys that another row of its strip sees.
 *
 * @param aPack Room for a strip of KC.
 * @param b D columns, `bDepth` keys deep: packed, or rows `bStride` elements
 * apart if that is not 0.
 * @param out Rows of D, `outStride` bytes apart.
 */
export function weighRows(
  out: usize,
  outStride: usize,
  p: usize,
  stride: usize,
  aPack: usize,
  b: usize,
  bStride: i32,
  bDepth: i32,
  D: i32,
  row: i32,
  rows: i32,
): void {
  const code = exactCode(), mr = stripRows(code);
  for (let i = 0; i < rows; i += mr) {
    const strip = min(mr, rows - i);
    multiplyTile(
      code,
      p + <usize> i * stride,
      <i32> (stride >> 2),
      false,
      aPack,
      b,
      bStride,
      D,
      bDepth,
      0,
      strip,
      D,
      row + i + strip,
      out + <usize> i * outStride,
      outStride,
      0,
      0,
    );
  }
}

/**
 * `out[j] += sum_i p[i, j] b[i]` over the rows i that see key j, for the first
 * `keys` keys, which the last row sees.
 *
 * @param b D columns, `rows` deep: packed, or rows `bStride` elements apart
 * if that is not 0.
 * @param out Rows of D, `outStride` bytes apart.
 */
export function addToKeys(
  out: usize,
  outStride: usize,
  p: usize,
  stride: usize,
  b: usize,
  bStride: i32,
  D: i32,
  row: i32,
  rows: i32,
  keys: i32,
): void {
  const code = exactCode(), mr = stripRows(code);
  const bStep = bStride ? <usize> bStride << 2 : packedStep(code);
  const panelBytes = bStride ? packedStep(code) : rows * packedStep(code);
  for (let j = 0; j < keys; j += mr) {
    const skipped = max(0, j - row); // rows before this one see none of j
    addStrip(
      code,
      p + <usize> skipped * stride + (<usize> j << 2),
      stride,
      b + skipped * bStep,
      panelBytes,
      bStep,
      min(mr, keys - j),
      D,
      rows - skipped,
      out + <usize> j * outStride,
      outStride,
    );
  }
}
