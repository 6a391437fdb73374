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
  Code,
  matmulCode,
  packPanels,
  packStrips,
  panelCols,
  panelsBytes,
  readsStoredB,
  sharesSets,
  stripRows,
  wholeStripsBytes,
} from "./gemm_kernel";
import { multiplyPackedTile, multiplyTile } from "./gemm_tile";
import { isMatvec, matvec, matvecSharedScratch } from "./matvec";
import {
  barrier,
  chunkSize,
  nextChunk,
  nextOfShare,
  nThreads,
  sharedScratch,
  threadScratch,
} from "./threads";

/** Most rows of a tile: with KC, a block of A takes 168 KiB of the caches. */
const TILE_ROWS: i32 = 56;
/** A tile is at least this wide, so that packing A costs little beside it. */
const MIN_TILE_COLS: i32 = 64;
/** As many tiles as let all threads end at nearly the same time. */
const TILES_PER_THREAD: i32 = 24;
/** Multiplications of a tile, at least: some 10 us, far above what it costs. */
const MIN_TILE_WORK: i64 = 500_000;
/** Panels or strips that a thread packs at a time, and elements, at least. */
const PART_GROUPS: i32 = 8, PART_ELEMENTS: i32 = 65536;
/** Packed bytes of B that are worked on at a time: for the last cache. */
const SLICE_BYTES: i32 = 16 << 20;
/**
 * A in bf16 is packed once, beside B, if that takes no more; else each tile
 * packs its part. Of a transposed A one KC must fit, as slices follow it.
 */
const WHOLE_A_BYTES: usize = 4 << 20, TRANSPOSED_A_BYTES: usize = 8 << 20;
/** Rows of the result this long are written by low and wide tiles alone. */
const LONG_ROW: i32 = 8192;
/** B is not packed for fewer rows, if a slice could hold all of it … */
const FEW_ROWS: i32 = 512;
/** … nor for still fewer, nor if it is no larger: half a cache. */
const VERY_FEW_ROWS: i32 = 256;
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
      // For other columns of B, A stays as it is.
      const rows = packsA(c) && (n == 0 || depth < c.K) ? c.M : 0;
      packSlice(c, n, cols, k, depth, rows);
      barrier();
      multiplySlice(c, n, cols, k, depth);
    }
  }
}

/** Bytes that the threads share while a call runs. */
export function matmulSharedScratch(c: MatmulCall): usize {
  if (isMatvec(c)) return matvecSharedScratch(c);
  if (usesBlas || readsB(c)) return 0;
  const a = packsA(c)
    ? wholeStripsBytes(matmulCode(), c.M, sliceDepth(c))
    : 0;
  return panelsBytes(matmulCode(), sliceCols(c), sliceDepth(c)) + a;
}

/** Bytes that each thread needs for itself. */
export function matmulThreadScratch(c: MatmulCall): usize {
  if (isMatvec(c) || usesBlas) return 0;
  const code = matmulCode(), rows = mostStrips(c.M) * stripRows(code);
  return aPackBytes(code, aStride(c), c.transA != 0, rows, KC);
}

/** Whether B is read where it is stored: a question of shape and code. */
function readsB(c: MatmulCall): bool {
  if (!readsStoredB(matmulCode(), c.transB != 0)) return false;
  const bytes = <i64> c.K * c.N * 4;
  return c.M <= VERY_FEW_ROWS || bytes <= SMALL_B_BYTES ||
    c.M <= FEW_ROWS && bytes <= SLICE_BYTES && !sharesSets(c.N);
}

/**
 * Whether A is packed as a whole. In f32 it is read where it is stored, or
 * packing it is a small part of the work; and only the code for bf16 writes
 * nothing beyond a strip, so that threads can pack neighbors.
 */
function packsA(c: MatmulCall): bool {
  const code = matmulCode();
  if (code != Code.bf16) return false;
  return c.transA
    ? wholeStripsBytes(code, c.M, min(KC, c.K)) <= TRANSPOSED_A_BYTES
    : wholeStripsBytes(code, c.M, c.K) <= WHOLE_A_BYTES;
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
  const code = matmulCode();
  let blocks = SLICE_BYTES / <i32> panelsBytes(code, sliceCols(c), KC);
  if (packsA(c)) {
    blocks = min(blocks, <i32> (TRANSPOSED_A_BYTES / wholeStripsBytes(code, c.M, KC)));
  }
  return min(c.K, max(1, blocks) * KC);
}

/** Packed rows of A lie behind the slice of B. */
@inline
function packedRows(c: MatmulCall): usize {
  return sharedScratch +
    panelsBytes(matmulCode(), sliceCols(c), sliceDepth(c));
}

/**
 * Packs a slice of B, and of A what goes with it; threads take parts of both.
 *
 * @param rows Rows of A to pack, which are all or none.
 */
function packSlice(
  c: MatmulCall,
  n: i32,
  cols: i32,
  k: i32,
  depth: i32,
  rows: i32,
): void {
  const code = matmulCode(), nr = panelCols(code), mr = stripRows(code);
  const colsPerPart = partOf(cols, nr, depth);
  const colParts = (cols + colsPerPart - 1) / colsPerPart;
  const rowsPerPart = partOf(rows, mr, depth);
  const parts = colParts + (rows + rowsPerPart - 1) / rowsPerPart;
  for (let i = nextOfShare(parts); i < parts; i = nextOfShare(parts)) {
    if (i < colParts) {
      const first = i * colsPerPart;
      packCols(c, n, cols, k, depth, first, min(cols, first + colsPerPart));
    } else {
      const first = (i - colParts) * rowsPerPart;
      packRows(c, k, depth, first, min(rows, first + rowsPerPart));
    }
  }
}

/** Columns or rows of a part, of `n`: whole groups, and long enough to read. */
function partOf(n: i32, group: i32, depth: i32): i32 {
  return chunkSize(n, max(PART_GROUPS * group, PART_ELEMENTS / depth), group);
}

/** Packs rows of A as [block of KC][strip][k][mr]. */
function packRows(c: MatmulCall, k: i32, depth: i32, first: i32, end: i32): void {
  const code = matmulCode();
  let block = packedRows(c);
  for (let at = 0; at < depth; at += KC) {
    const blockDepth = min(KC, depth - at), row = k + at;
    const from = c.transA
      ? <usize> row * c.M + first
      : <usize> first * c.K + row;
    packStrips(
      code,
      block + wholeStripsBytes(code, first, blockDepth),
      c.a + (from << 2),
      aStride(c),
      c.transA != 0,
      end - first,
      blockDepth,
    );
    block += wholeStripsBytes(code, c.M, blockDepth);
  }
}

/** Packs columns of B as [block of KC][panel][k][nr]. */
function packCols(
  c: MatmulCall,
  n: i32,
  cols: i32,
  k: i32,
  depth: i32,
  first: i32,
  end: i32,
): void {
  const code = matmulCode();
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
  // 1. Many tiles, but not too small. High ones read B less often, low and
  // wide ones have fewer parts of A to pack, if they pack them.
  const code = matmulCode(), mr = stripRows(code), nr = panelCols(code);
  const strips = (c.M + mr - 1) / mr, packed = packsA(c);
  const work = <i64> c.M * cols * depth;
  const wanted = max(
    1,
    <i32> min<i64>(TILES_PER_THREAD * nThreads, work / MIN_TILE_WORK),
  );
  const mostColTiles = max(1, cols / MIN_TILE_COLS);
  const high = c.N < LONG_ROW && (packed || code == Code.native && !c.transA);
  const wantedRowTiles = high ? (wanted + mostColTiles - 1) / mostColTiles
    : wanted;
  const tileStrips = max(1, min(mostStrips(c.M), strips / wantedRowTiles));
  const rowTiles = (strips + tileStrips - 1) / tileStrips;
  const colTiles = min((wanted + rowTiles - 1) / rowTiles, mostColTiles);
  const rowsPerTile = tileStrips * mr;
  const panels = (cols + nr - 1) / nr;
  const tileCols = (panels + colTiles - 1) / colTiles * nr;

  // 2. B: a packed slice, or all of it where it is stored.
  const bStride = readsB(c) ? c.N : 0;
  const b = bStride ? c.b : sharedScratch;
  const tiles = rowTiles * colTiles;
  for (let i = nextChunk(tiles); i < tiles; i = nextChunk(tiles)) {
    const row = i / colTiles * rowsPerTile;
    const col = i % colTiles * tileCols;
    if (col >= cols) continue;
    const a = c.transA ? <usize> k * c.M + row : <usize> row * c.K + k;
    const outStride = <usize> c.N << 2;
    const firstCol = <usize> (n + col) << 2;
    const at = <usize> row * outStride + firstCol;
    // The first slice starts the sum, the others add to what is there.
    const addTo = k > 0 ? c.out : c.addTo;
    const add: usize = addTo ? addTo + at : 0;
    const bias: usize = k > 0 || !c.bias ? 0 : c.bias + firstCol;
    const rows = min(rowsPerTile, c.M - row);
    if (packed) {
      multiplyPackedTile(
        code,
        packedRows(c),
        c.M,
        row,
        b,
        cols,
        depth,
        col,
        rows,
        min(tileCols, cols - col),
        c.out + at,
        outStride,
        add,
        bias,
      );
      continue;
    }
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
      rows,
      min(tileCols, cols - col),
      depth,
      c.out + at,
      outStride,
      add,
      bias,
    );
  }
}
