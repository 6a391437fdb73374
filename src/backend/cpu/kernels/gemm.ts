/**
 * Matrix products: how the work is cut, packed and shared among the threads.
 *
 * B is packed once, by all threads together, in slices that fit the cache
 * they share; then each thread takes tiles of the result, packs the part of A
 * that a tile needs into memory of its own, and runs the inner loops of
 * gemm_block.ts. Native code reads what it can where it is stored: a small
 * product is done before the packing would pay. Every element of the result
 * is summed over k in ascending order in blocks of KC, whatever the tiles are.
 * Compute bound.
 *
 * One to four rows, as when generating text, are bound by reading B instead:
 * they have loops of their own (matvec.ts), without packing.
 *
 * @module
 */

import { blasMatmul, usesBlas } from "./blas";
import { MatmulCall } from "./calls";
import { KC } from "./gemm_block";
import {
  aPackBytes,
  matmulCode,
  packPanels,
  panelCols,
  panelsBytes,
  readsStoredB,
  stripRows,
} from "./gemm_kernel";
import { multiplyTile } from "./gemm_tile";
import { isMatvec, matvec, matvecSharedScratch } from "./matvec";
import {
  barrier,
  nextTile,
  nThreads,
  sharedScratch,
  shareStart,
  thread,
  threadScratch,
} from "./threads";

/** Most rows of a tile: with KC, a block of A takes 84 KiB of the caches. */
const TILE_ROWS: i32 = 56;
/** A tile is at least this wide, so that packing A costs little beside it. */
const MIN_TILE_COLS: i32 = 64;
/** As many tiles as let all threads end at nearly the same time. */
const TILES_PER_THREAD: i32 = 24;
/** Multiplications of a tile, at least: some 10 us, far above what it costs. */
const MIN_TILE_WORK: i64 = 500_000;
/** Packed bytes of B that are worked on at a time: for the last cache. */
const SLICE_BYTES: i32 = 16 << 20;
/** B is not packed for fewer rows, nor if it is no larger: half a cache. */
const FEW_ROWS: i32 = 256;
const SMALL_B_BYTES: i64 = 512 << 10;

/** `out = addTo + op(a) op(b) + bias`. */
export function matmul(c: MatmulCall): void {
  if (isMatvec(c)) {
    matvec(c);
    return;
  }
  if (usesBlas) {
    blasMatmul(c);
    return;
  }
  if (readsB(c)) {
    multiplySlice(c, 0, c.N, 0, c.K);
    return;
  }
  const sliceN = sliceCols(c), sliceK = sliceDepth(c);
  for (let n = 0; n < c.N; n += sliceN) {
    const cols = min(sliceN, c.N - n);
    for (let k = 0; k < c.K; k += sliceK) {
      if (n + k > 0) barrier(); // the slice before is still being read
      const depth = min(sliceK, c.K - k);
      packSlice(c, n, cols, k, depth);
      barrier();
      multiplySlice(c, n, cols, k, depth);
    }
  }
}

/** Bytes that the threads share while a call runs. */
export function matmulSharedScratch(c: MatmulCall): usize {
  if (isMatvec(c)) return matvecSharedScratch(c);
  if (usesBlas || readsB(c)) return 0;
  return panelsBytes(matmulCode(), sliceCols(c), sliceDepth(c));
}

/** Bytes that each thread needs for itself. */
export function matmulThreadScratch(c: MatmulCall): usize {
  if (isMatvec(c) || usesBlas) return 0;
  const code = matmulCode(), rows = mostStrips(c.M) * stripRows(code);
  return aPackBytes(code, aStride(c), c.transA != 0, rows, KC);
}

/** Whether B is read where it is stored: a question of shape and code. */
function readsB(c: MatmulCall): bool {
  return readsStoredB(matmulCode(), c.transB != 0) &&
    (c.M <= FEW_ROWS || <i64> c.K * c.N * 4 <= SMALL_B_BYTES);
}

@inline
function aStride(c: MatmulCall): i32 {
  return c.transA ? c.M : c.K;
}

/** Strips of the largest tile there may be. */
function mostStrips(M: i32): i32 {
  const mr = stripRows(matmulCode());
  return min(TILE_ROWS / mr, (M + mr - 1) / mr);
}

/** Columns of a slice: all, unless even one KC of them is too much. */
function sliceCols(c: MatmulCall): i32 {
  const nr = panelCols(matmulCode());
  const most = SLICE_BYTES / (min(KC, c.K) * 4) / nr * nr;
  return min(c.N, most);
}

/** Depth of a slice: all, or a multiple of KC. */
function sliceDepth(c: MatmulCall): i32 {
  const bytes = panelsBytes(matmulCode(), sliceCols(c), KC);
  return min(c.K, max(1, SLICE_BYTES / <i32> bytes) * KC);
}

/** Packs a slice of B as [block of KC][panel][k][nr]; threads take panels. */
function packSlice(
  c: MatmulCall,
  n: i32,
  cols: i32,
  k: i32,
  depth: i32,
): void {
  const code = matmulCode(), nr = panelCols(code);
  const panels = (cols + nr - 1) / nr;
  const first = shareStart(panels, thread) * nr;
  const end = min(cols, shareStart(panels, thread + 1) * nr);
  if (first >= end) return;
  const stride = c.transB ? c.K : c.N;
  let block = sharedScratch;
  for (let at = 0; at < depth; at += KC) {
    const blockDepth = min(KC, depth - at);
    const row = k + at, col = n + first;
    const from = c.transB
      ? <usize> col * stride + row
      : <usize> row * stride + col;
    packPanels(
      code,
      block + panelsBytes(code, first, blockDepth),
      c.b + (from << 2),
      stride,
      c.transB != 0,
      end - first,
      blockDepth,
    );
    block += panelsBytes(code, cols, blockDepth);
  }
}

/**
 * Takes tiles of the result until none is left. How large they are depends on
 * the number of threads, what is computed does not.
 */
function multiplySlice(
  c: MatmulCall,
  n: i32,
  cols: i32,
  k: i32,
  depth: i32,
): void {
  // 1. Many tiles, but not too small: first of few rows, then of few columns.
  const code = matmulCode(), mr = stripRows(code), nr = panelCols(code);
  const strips = (c.M + mr - 1) / mr;
  const work = <i64> c.M * cols * depth;
  const wanted = max(
    1,
    <i32> min<i64>(TILES_PER_THREAD * nThreads, work / MIN_TILE_WORK),
  );
  const tileStrips = max(1, min(mostStrips(c.M), strips / wanted));
  const rowTiles = (strips + tileStrips - 1) / tileStrips;
  const colTiles = max(
    1,
    min((wanted + rowTiles - 1) / rowTiles, cols / MIN_TILE_COLS),
  );
  const rowsPerTile = tileStrips * mr;
  const panels = (cols + nr - 1) / nr;
  const tileCols = (panels + colTiles - 1) / colTiles * nr;

  // 2. B: a packed slice, or all of it where it is stored.
  const bStride = readsB(c) ? c.N : 0;
  const b = bStride ? c.b : sharedScratch;
  const tiles = rowTiles * colTiles;
  for (let i = nextTile(); i < tiles; i = nextTile()) {
    const row = i / colTiles * rowsPerTile;
    const col = i % colTiles * tileCols;
    if (col >= cols) continue;
    const a = c.transA ? <usize> k * c.M + row : <usize> row * c.K + k;
    const outStride = <usize> c.N << 2;
    const at = <usize> row * outStride + (<usize> (n + col) << 2);
    // The first slice starts the sum, the others add to what is there.
    const add = k > 0 ? c.out : c.addTo;
    multiplyTile(
      code,
      c.a + (a << 2),
      aStride(c),
      c.transA != 0,
      threadScratch,
      b,
      bStride,
      cols,
      depth,
      col,
      min(rowsPerTile, c.M - row),
      min(tileCols, cols - col),
      depth,
      c.out + at,
      outStride,
      add ? add + at : 0,
      k > 0 || !c.bias ? 0 : c.bias + (<usize> (n + col) << 2),
    );
  }
}
