/**
 * Machine code of the inner loops of a matrix product: packed blocks in, a
 * tile of the result out.
 *
 * The native twin of kernels/gemm_block.ts, with the same packing and the
 * tiles of {@linkcode TILE_SHAPE}. All loops are in the code, so that one call
 * does some 100 microseconds of work. Compute bound: two fused multiply-adds
 * per cycle are the machine's limit, and 28 of them wait for 16 loads.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { type Address, CONDITION, R } from "./encoding.ts";
import { type Format, TILE_SHAPE } from "./tile_shape.ts";

/** The 32-bit words of the arguments, in order. */
const GEMM_BLOCK_ARGS = [
  /** A as {@linkcode AForm} says; strips lie one behind the other. */
  "a",
  /** Bytes from one k of a strip to the next, 4 mr where A is packed; or from
   * row to row. */
  "aStep",
  /** Panels of B, the bytes from one to the next, and from one k to the next:
   * 4 nr where B is packed. */
  "b",
  "panelBytes",
  "bStep",
  "rows",
  /** Moves. */
  "cols",
  "depth",
  /** First element of the result; rows are `outStride` bytes apart. Moves. */
  "out",
  "outStride",
  /** Added to the result, laid out as `out`; 0 for none. Moves. */
  "add",
  /** One f32 per column; 0 for none. */
  "bias",
  /** AVX2 only: 16 words of -1 and then 16 of 0, to cut column masks from. */
  "masks",
] as const;

/** How the kernel finds A: packed as said above, or where it is stored. */
export type AForm =
  /** mr neighbors for each k: packed, or one strip of a transposed A. */
  | "strips"
  /** Rows along k, `aStep` bytes apart. */
  | "rows";

/** What a kernel multiplies. */
export interface Factors {
  /** `bf16` are pairs of neighbors in k, and the depth counts pairs. */
  readonly format: Format;
  readonly aForm: AForm;
}

const BASE = R.rdi, ARGS = R.rsi;
// What stays through the whole function …
const A_STEP = R.r9;
// … multiples of it, for rows that lie apart …
const A_STEP3 = R.rbp, A_STEP5 = R.rbx;
// … through a panel of B …
const PANEL = R.r8, BIAS = R.r14;
const ROWS_LEFT = R.r10, STRIP = R.r11;
const OUT = R.r12, ADD = R.r13;
// … and for a few instructions. Shifts count in cl.
const K = R.rcx, ROWS = R.rcx, COUNT = R.rcx;
const B_AT = R.rax, B_STEP = R.rdx, SCRATCH = R.rdx;
const LOWER_ROWS = R.r15, OUT_STRIDE = R.r15;
/** Mask registers for the columns of a tile, one for each vector. */
const COL_MASK = [1, 2];
/** How far ahead rows of A are asked for, in cache lines: of 64 bytes, 16 k. */
const LINES_AHEAD = 3;
/** Rows that one register reaches: 0, 1, 2, 3, 4, 5, 6 times the step. */
const ROWS_IN_REACH = 7;

/** Emits the body of the kernel, between entry and return. */
export function emitGemmBlock(asm: Assembler, factors: Factors): void {
  const { lanes, nr } = TILE_SHAPE[asm.width];
  asm.load32(A_STEP, argument("aStep"));
  if (factors.aForm === "rows") {
    asm.lea(A_STEP3, { base: A_STEP, index: A_STEP, scale: 2 });
    asm.lea(A_STEP5, { base: A_STEP, index: A_STEP, scale: 4 });
  }
  loadPointer(asm, PANEL, "b");
  loadOptionalPointer(asm, BIAS, "bias");

  const nextPanel = asm.here(), narrow = asm.label(), panelDone = asm.label();
  emitColumnMasks(asm);
  asm.load32(COUNT, argument("cols"));
  asm.cmpImm(COUNT, lanes);
  asm.jump(narrow, CONDITION.belowOrEqual);
  emitPanel(asm, factors, 2);
  asm.jump(panelDone);
  asm.bind(narrow);
  emitPanel(asm, factors, 1);
  asm.bind(panelDone);

  // The next panel, if there is one.
  const end = asm.label();
  asm.load32(COUNT, argument("cols"));
  asm.subImm(COUNT, nr);
  asm.jump(end, CONDITION.lessOrEqual);
  asm.store32(COUNT, argument("cols"));
  asm.load32(SCRATCH, argument("panelBytes"));
  asm.add(PANEL, SCRATCH);
  asm.load32(SCRATCH, argument("out"));
  asm.addImm(SCRATCH, nr * 4);
  asm.store32(SCRATCH, argument("out"));
  const noAdd = asm.label(), noBias = asm.label();
  asm.load32(SCRATCH, argument("add"));
  asm.testZero(SCRATCH);
  asm.jump(noAdd, CONDITION.equal);
  asm.addImm(SCRATCH, nr * 4);
  asm.store32(SCRATCH, argument("add"));
  asm.bind(noAdd);
  asm.testZero(BIAS);
  asm.jump(noBias, CONDITION.equal);
  asm.addImm(BIAS, nr * 4);
  asm.bind(noBias);
  asm.jump(nextPanel);
  asm.bind(end);
}

/** All strips of A against one panel of B, `vectors` vectors wide. */
function emitPanel(
  asm: Assembler,
  factors: Factors,
  vectors: 1 | 2,
): void {
  const { mr } = TILE_SHAPE[asm.width];
  asm.load32(ROWS_LEFT, argument("rows"));
  loadPointer(asm, STRIP, "a");
  loadPointer(asm, OUT, "out");
  loadOptionalPointer(asm, ADD, "add");

  const nextStrip = asm.here(), multiplied = asm.label();
  for (let rows = mr; rows > 0; rows--) {
    const fewer = asm.label();
    asm.cmpImm(ROWS_LEFT, rows);
    asm.jump(fewer, CONDITION.less);
    emitProduct(asm, { ...factors, rows, vectors });
    if (rows > 1) asm.jump(multiplied);
    asm.bind(fewer);
  }
  asm.bind(multiplied);
  emitBias(asm, vectors);
  emitRows(asm, vectors);
  asm.subImm(ROWS_LEFT, mr);
  asm.jump(nextStrip, CONDITION.greater);
}

/**
 * Accumulators of `rows` rows = strip of A times panel of B; moves STRIP to
 * the next. The last strip has a loop for as many rows as it has: filled up
 * with zeros, 128 rows would cost as much as 140.
 */
function emitProduct(
  asm: Assembler,
  { format, aForm, rows, vectors }: Factors & { rows: number; vectors: 1 | 2 },
): void {
  for (let i = 0; i < rows; i++) {
    for (let v = 0; v < vectors; v++) asm.vzero(accumulator(i, v));
  }
  emitPrefetchResult(asm, rows, vectors);
  asm.mov(B_AT, PANEL);
  asm.load32(B_STEP, argument("bStep"));
  asm.load32(K, argument("depth"));
  if (aForm === "rows" && rows > ROWS_IN_REACH) {
    asm.lea(LOWER_ROWS, { base: STRIP, index: A_STEP3, scale: 2 });
    asm.add(LOWER_ROWS, A_STEP);
  }
  const nextK = asm.here();
  emitPrefetch(asm, aForm, vectors);
  for (let v = 0; v < vectors; v++) {
    asm.vload(columns(asm, v), { base: B_AT, disp: v * asm.vectorBytes });
  }
  for (let i = 0; i < rows; i++) {
    // Two registers in turn: the next row's load need not wait.
    const row = broadcast(asm, i);
    if (aForm === "rows") {
      asm.prefetch({ ...rowAddress(i), disp: LINES_AHEAD * 64 });
    }
    asm.vbroadcast(
      row,
      aForm === "rows" ? rowAddress(i) : { base: STRIP, disp: 4 * i },
    );
    for (let v = 0; v < vectors; v++) {
      const sum = accumulator(i, v);
      if (format === "bf16") asm.vdpbf16(sum, row, columns(asm, v));
      else asm.vfma(sum, row, columns(asm, v));
    }
  }
  asm.add(B_AT, B_STEP);
  if (aForm === "rows") {
    asm.addImm(STRIP, 4);
    if (rows > ROWS_IN_REACH) asm.addImm(LOWER_ROWS, 4);
  } else asm.add(STRIP, A_STEP);
  asm.subImm(K, 1);
  asm.jump(nextK, CONDITION.notEqual);
  if (aForm === "rows" && rows === TILE_SHAPE[asm.width].mr) {
    // Back along k, and down to the next strip.
    asm.load32(SCRATCH, argument("depth"));
    asm.shlImm(SCRATCH, 2);
    asm.sub(STRIP, SCRATCH);
    asm.movImm(SCRATCH, rows);
    asm.imul(SCRATCH, A_STEP);
    asm.add(STRIP, SCRATCH);
  }
}

/**
 * Asks for what the loop needs eight k later: of factors that are not packed,
 * each k lies in cache lines of its own.
 */
function emitPrefetch(asm: Assembler, aForm: AForm, vectors: 1 | 2): void {
  if (aForm === "strips") {
    const lastRow = 4 * (TILE_SHAPE[asm.width].mr - 1);
    for (const disp of [0, lastRow]) {
      asm.prefetch({ base: STRIP, index: A_STEP, scale: 8, disp });
    }
  }
  for (let v = 0; v < vectors; v++) {
    const disp = v * asm.vectorBytes;
    asm.prefetch({ base: B_AT, index: B_STEP, scale: 8, disp });
  }
}

/** Asks for the tile of the result, which is written after the loop. */
function emitPrefetchResult(
  asm: Assembler,
  rows: number,
  vectors: 1 | 2,
): void {
  const at = B_AT, stride = COUNT; // both are set afterwards
  asm.mov(at, OUT);
  asm.load32(stride, argument("outStride"));
  for (let i = 0; i < rows; i++) {
    for (let v = 0; v < vectors; v++) {
      asm.prefetchToWrite({ base: at, disp: v * asm.vectorBytes });
    }
    if (i < rows - 1) asm.add(at, stride);
  }
}

/** Where row i of a strip is, if rows lie apart. */
function rowAddress(i: number): Address {
  const base = i < ROWS_IN_REACH ? STRIP : LOWER_ROWS;
  const [index, scale] = ([
    [],
    [A_STEP, 1],
    [A_STEP, 2],
    [A_STEP3, 1],
    [A_STEP, 4],
    [A_STEP5, 1],
    [A_STEP3, 2],
  ] as [number?, (1 | 2 | 4)?][])[i % ROWS_IN_REACH];
  return { base, index, scale };
}

/** Accumulators += bias, if there is one. */
function emitBias(asm: Assembler, vectors: 1 | 2): void {
  const { mr } = TILE_SHAPE[asm.width];
  const noBias = asm.label();
  emitMaskVectors(asm, vectors);
  asm.testZero(BIAS);
  asm.jump(noBias, CONDITION.equal);
  const values = broadcast(asm, 0);
  for (let v = 0; v < vectors; v++) {
    const at = { base: BIAS, disp: v * asm.vectorBytes };
    loadColumns(asm, values, v, at);
    for (let i = 0; i < mr; i++) {
      asm.vadd(accumulator(i, v), accumulator(i, v), values);
    }
  }
  asm.bind(noBias);
}

/** Adds `add` and stores the rows there are; moves OUT and ADD past them. */
function emitRows(asm: Assembler, vectors: 1 | 2): void {
  const { mr } = TILE_SHAPE[asm.width];
  const values = broadcast(asm, 0);
  const done = asm.label(), withAdd = asm.label();
  asm.load32(OUT_STRIDE, argument("outStride"));
  asm.mov(ROWS, ROWS_LEFT);
  asm.testZero(ADD);
  asm.jump(withAdd, CONDITION.notEqual);
  for (const add of [false, true]) {
    if (add) asm.bind(withAdd);
    for (let i = 0; i < mr; i++) {
      for (let v = 0; v < vectors; v++) {
        const disp = v * asm.vectorBytes;
        if (add) {
          loadColumns(asm, values, v, { base: ADD, disp });
          asm.vadd(accumulator(i, v), accumulator(i, v), values);
        }
        storeColumns(asm, accumulator(i, v), v, { base: OUT, disp });
      }
      asm.add(OUT, OUT_STRIDE);
      if (add) asm.add(ADD, OUT_STRIDE);
      if (i === mr - 1) continue;
      asm.subImm(ROWS, 1);
      asm.jump(done, CONDITION.equal);
    }
    if (!add) asm.jump(done);
  }
  asm.bind(done);
}

// Columns beyond the edge: AVX-512 has mask registers that live through a
// panel; AVX2 takes mask vectors, cut from a table when the registers of B
// are free.

function emitColumnMasks(asm: Assembler): void {
  if (asm.width !== 512) return;
  const { nr, lanes } = TILE_SHAPE[512];
  // (1 << min(cols, nr)) - 1
  asm.movImm(SCRATCH, nr);
  asm.load32(COUNT, argument("cols"));
  asm.cmp(COUNT, SCRATCH);
  asm.cmov(CONDITION.above, COUNT, SCRATCH);
  asm.movImm(SCRATCH, 1);
  asm.shlByCl(SCRATCH);
  asm.subImm(SCRATCH, 1);
  for (const mask of COL_MASK) {
    asm.kmov(mask, SCRATCH);
    asm.shrImm(SCRATCH, lanes);
  }
}

function emitMaskVectors(asm: Assembler, vectors: 1 | 2): void {
  if (asm.width !== 256) return;
  const { nr } = TILE_SHAPE[256];
  // The table begins to be 0 after nr words: start `cols` before that.
  asm.movImm(SCRATCH, nr);
  asm.load32(COUNT, argument("cols"));
  asm.cmp(COUNT, SCRATCH);
  asm.cmov(CONDITION.above, COUNT, SCRATCH);
  asm.sub(SCRATCH, COUNT);
  asm.load32(COUNT, argument("masks"));
  asm.add(COUNT, BASE);
  for (let v = 0; v < vectors; v++) {
    const disp = v * asm.vectorBytes;
    const at = { base: COUNT, index: SCRATCH, scale: 4, disp } as const;
    asm.vload(columns(asm, v), at);
  }
}

function loadColumns(
  asm: Assembler,
  register: number,
  v: number,
  from: Address,
): void {
  if (asm.width === 512) asm.vload(register, from, COL_MASK[v]);
  else asm.vmaskLoad(register, columns(asm, v), from);
}

function storeColumns(
  asm: Assembler,
  register: number,
  v: number,
  to: Address,
): void {
  if (asm.width === 512) asm.vstore(register, to, COL_MASK[v]);
  else asm.vmaskStore(register, columns(asm, v), to);
}

/** Register of row i, vector v of the tile. */
function accumulator(i: number, v: number): number {
  return 2 * i + v;
}

/** Register of vector v of B; after the product, of its mask (AVX2). */
function columns(asm: Assembler, v: number): number {
  return 2 * TILE_SHAPE[asm.width].mr + v;
}

/** Register for a broadcast element of A. */
function broadcast(asm: Assembler, i: number): number {
  return 2 * TILE_SHAPE[asm.width].mr + 2 + (i & 1);
}

type Argument = typeof GEMM_BLOCK_ARGS[number];

function argument(name: Argument): Address {
  return { base: ARGS, disp: 4 * GEMM_BLOCK_ARGS.indexOf(name) };
}

function loadPointer(asm: Assembler, register: number, name: Argument): void {
  asm.load32(register, argument(name));
  asm.add(register, BASE);
}

/** 0 stays 0. */
function loadOptionalPointer(
  asm: Assembler,
  register: number,
  name: Argument,
): void {
  const none = asm.label();
  asm.load32(register, argument(name));
  asm.testZero(register);
  asm.jump(none, CONDITION.equal);
  asm.add(register, BASE);
  asm.bind(none);
}
