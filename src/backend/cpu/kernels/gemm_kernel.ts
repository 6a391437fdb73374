/**
 * Which code packs and multiplies: the machine's own, or WebAssembly.
 *
 * Both have the same layouts with other tile sizes. Callers say which they
 * want, and pack and multiply with the same.
 *
 * @module
 */

import { gemmBlock, MR, NR, tile } from "./gemm_block";
import { packA, packB } from "./gemm_pack";
import {
  nativeGemmBlock,
  nativeGemmRows,
  nativeMr,
  nativeNr,
  nativePackA,
  nativePackB,
  usesBf16,
} from "./native";

/** Room behind packed strips: native code writes whole vectors. */
const SPILL_BYTES: usize = 64;

/** Who multiplies, and in what. */
export const enum Code {
  wasm,
  /** f32. */
  native,
  /** Factors rounded to bf16, sums in f32. */
  bf16,
}

/** The best code for f32. */
@inline
export function exactCode(): Code {
  return nativeMr > 0 ? Code.native : Code.wasm;
}

/** The code for products of weights, in the precision that was asked for. */
@inline
export function matmulCode(): Code {
  return usesBf16 ? Code.bf16 : exactCode();
}

/** Words of 32 bits that `depth` packed elements take. */
@inline
function packedDepth(code: Code, depth: i32): i32 {
  return code == Code.bf16 ? (depth + 1) >> 1 : depth;
}

/** Rows of a strip of A. */
@inline
export function stripRows(code: Code): i32 {
  return code ? nativeMr : MR;
}

/** Columns of a panel of B. */
@inline
export function panelCols(code: Code): i32 {
  return code ? nativeNr : NR;
}

/** Bytes of `rows` packed rows of A, `depth` deep. */
@inline
export function wholeStripsBytes(code: Code, rows: i32, depth: i32): usize {
  const mr = stripRows(code);
  return <usize> ((rows + mr - 1) / mr * mr) * packedDepth(code, depth) * 4;
}

/** The same and room for what some code writes beyond them. */
@inline
export function stripsBytes(code: Code, rows: i32, depth: i32): usize {
  return wholeStripsBytes(code, rows, depth) + SPILL_BYTES;
}

/** Bytes of `cols` packed columns of B, `depth` deep. */
@inline
export function panelsBytes(code: Code, cols: i32, depth: i32): usize {
  const nr = panelCols(code);
  return <usize> ((cols + nr - 1) / nr * nr) * packedDepth(code, depth) * 4;
}

/** See `packA`. */
export function packStrips(
  code: Code,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  rows: i32,
  depth: i32,
): void {
  const bf16 = code == Code.bf16;
  if (code) nativePackA(bf16, to, from, stride, trans, rows, depth);
  else packA(to, from, stride, trans, rows, depth);
}

/** See `packB`. */
export function packPanels(
  code: Code,
  to: usize,
  from: usize,
  stride: i32,
  trans: bool,
  cols: i32,
  depth: i32,
): void {
  const bf16 = code == Code.bf16;
  if (code) nativePackB(bf16, to, from, stride, trans, cols, depth);
  else packB(to, from, stride, trans, cols, depth);
}

/**
 * Whether B can be read where it is stored: native code, B in f32 with its
 * columns side by side. Packing pays where many rows of A use B again.
 */
@inline
export function readsStoredB(code: Code, trans: bool): bool {
  return code == Code.native && !trans;
}

/** How A gets to the inner loops. */
const enum Form {
  /** Packed first. */
  packed,
  /** From where it is stored, a strip at a time: columns are k. */
  strips,
  /** From where it is stored: rows are along k. */
  rows,
}

/**
 * Whether rows `stride` elements apart lie in one set of the first-level
 * cache, which cannot hold as many as a product reads together.
 */
@inline
export function sharesSets(stride: i32): bool {
  return (stride << 2) % SAME_SET_BYTES == 0;
}

const SAME_SET_BYTES: i32 = 4096;

/** A product of this many rows has tiles so wide that packing A pays. */
const MANY_ROWS: i32 = 640;

@inline
function formOf(code: Code, aStride: i32, transA: bool): Form {
  if (code != Code.native) return Form.packed;
  if (sharesSets(aStride)) return Form.packed;
  if (!transA) return Form.rows;
  return aStride >= MANY_ROWS ? Form.packed : Form.strips;
}

/** Room that {@linkcode multiplyBlock} needs for A. */
@inline
export function aPackBytes(
  code: Code,
  aStride: i32,
  transA: bool,
  rows: i32,
  depth: i32,
): usize {
  if (formOf(code, aStride, transA) != Form.packed) return 0;
  return stripsBytes(code, rows, depth);
}

/** Bytes from one k of packed B to the next. */
@inline
export function packedStep(code: Code): usize {
  return <usize> panelCols(code) << 2;
}

/**
 * `out = add + op(a) b + bias` for one block.
 *
 * @param a As stored: rows (or, if `transA`, columns of op(a)) are `aStride`
 * elements apart.
 * @param aPack Room for the packed rows of A; not used if A can be read where
 * it is stored.
 * @param b Panels `panelBytes` apart, rows of them `bStep`: packed, or where B
 * is stored.
 * @param out First element; rows of it and of `add` are `outStride` bytes
 * apart. `add` and `bias` are 0 for none.
 */
export function multiplyBlock(
  code: Code,
  a: usize,
  aStride: i32,
  transA: bool,
  aPack: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  const form = formOf(code, aStride, transA);
  if (form == Form.rows) {
    nativeGemmRows(
      a,
      <usize> aStride << 2,
      b,
      panelBytes,
      bStep,
      rows,
      cols,
      depth,
      out,
      outStride,
      add,
      bias,
    );
    return;
  }
  if (form == Form.strips) {
    const mr = nativeMr;
    for (let row = 0; row < rows; row += mr) {
      const at = <usize> row * outStride;
      nativeGemmBlock(
        false,
        a + (<usize> row << 2),
        <usize> aStride << 2,
        b,
        panelBytes,
        bStep,
        min(mr, rows - row),
        cols,
        depth,
        out + at,
        outStride,
        add ? add + at : 0,
        bias,
      );
    }
    return;
  }
  packStrips(code, aPack, a, aStride, transA, rows, depth);
  multiplyPacked(
    code,
    aPack,
    b,
    panelBytes,
    bStep,
    rows,
    cols,
    depth,
    out,
    outStride,
    add,
    bias,
  );
}

/** The same for rows of A that are packed already. */
export function multiplyPacked(
  code: Code,
  a: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
  add: usize,
  bias: usize,
): void {
  if (code == Code.wasm) {
    gemmBlock(
      a,
      b,
      panelBytes,
      rows,
      cols,
      depth,
      out,
      outStride,
      add,
      outStride,
      bias,
    );
    return;
  }
  nativeGemmBlock(
    code == Code.bf16,
    a,
    <usize> nativeMr << 2,
    b,
    panelBytes,
    bStep,
    rows,
    cols,
    packedDepth(code, depth),
    out,
    outStride,
    add,
    bias,
  );
}

/**
 * `out += a b` for one strip of A in f32, which is not packed.
 *
 * @param a `stripRows` neighbors for each k, `aStep` bytes apart. What is read
 * beyond `rows` is unused.
 */
export function addStrip(
  code: Code,
  a: usize,
  aStep: usize,
  b: usize,
  panelBytes: usize,
  bStep: usize,
  rows: i32,
  cols: i32,
  depth: i32,
  out: usize,
  outStride: usize,
): void {
  if (code) {
    nativeGemmBlock(
      false,
      a,
      aStep,
      b,
      panelBytes,
      bStep,
      rows,
      cols,
      depth,
      out,
      outStride,
      out,
      0,
    );
    return;
  }
  for (let col = 0; col < cols; col += NR, b += panelBytes, out += NR * 4) {
    tile(
      a,
      aStep,
      b,
      depth,
      rows,
      min(NR, cols - col),
      out,
      outStride,
      out,
      outStride,
      0,
    );
  }
}
