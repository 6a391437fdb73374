/**
 * Machine code of the softmax inside attention, and of its gradient.
 *
 * The native twins of `softmaxRow` in kernels/attention.ts and of
 * `scoresRowBackward` in kernels/attention_backward.ts, for several rows of
 * scores at a time. Rows begin at whole cache lines and own what follows up to
 * the next row. Bound by e^x.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { CONDITION, R } from "./encoding.ts";
import {
  Arguments,
  COL,
  column,
  emitAllLanes,
  emitExp,
  emitFillUp,
  emitKeep,
  emitMaskedColumns,
  lanesOf,
} from "./vector_code.ts";

/** The 32-bit words of the arguments, in order. */
const SOFTMAX_ARGS = [
  /** Scores, which become probabilities. */
  "p",
  /** Bytes between rows. */
  "stride",
  "rows",
  /** How many keys the first row sees, at least 1; each row sees one more.
   * Moves. */
  "seen",
  /** How many keys there are: beyond what a row sees, they get 0. */
  "keys",
  /** f32, what scores are multiplied by. */
  "scale",
  /** Largest scaled score of each row, and the sum of e^(score - largest). */
  "mosts",
  "sums",
] as const;

/** The 32-bit words of the arguments, in order. */
const SOFTMAX_BACKWARD_ARGS = [
  /** Scores, which become probabilities. */
  "p",
  /** Gradients of these, which become gradients of the scores. */
  "d",
  "stride",
  "rows",
  /** As above, with sign: a row may see none, or more than there are. */
  "seen",
  "keys",
  "scale",
  /** Log-sum-exp of each row. */
  "lse",
  /** `dOut . out` of each row. */
  "deltas",
] as const;

const P = R.r8, D = R.r9, STRIDE = R.r10, ROWS = R.r11, SEEN = R.r12;
const KEYS = R.r13, MOSTS = R.r14, SUMS = R.r15;
const LSE = R.r14, DELTAS = R.r15;
const X = 0, N = 1, E = 2, T = 3, SCALE = 4, MOST = 5, SUM = 6, DS = 7;
const ROW_LSE = 5, DELTA = 6, LIMIT = 8, INDEX = 9;

/** Emits the body of the softmax of rows. */
export function emitSoftmax(asm: Assembler): void {
  const args = new Arguments(asm, SOFTMAX_ARGS);
  args.pointer(P, "p");
  args.pointer(MOSTS, "mosts");
  args.pointer(SUMS, "sums");
  args.number(STRIDE, "stride");
  args.number(ROWS, "rows");
  args.number(SEEN, "seen");
  args.number(KEYS, "keys");
  asm.vbroadcast(SCALE, args.at("scale"));
  const columns = { count: KEYS, limit: LIMIT, index: INDEX };
  const nextRow = asm.here();
  asm.vbroadcast(LIMIT, args.at("seen"));
  // 1. The largest; the second operand is what stays when the first is NaN.
  asm.vload(MOST, asm.constant(-Infinity));
  emitMaskedColumns(asm, columns, () => {
    asm.vload(X, column(P));
    emitFillUp(asm, X, MOST);
    asm.vmax(MOST, X, MOST);
  });
  emitAllLanes(asm, MOST, X, "vmax");
  asm.vmul(MOST, MOST, SCALE);
  asm.vstoreFirst(MOST, { base: MOSTS });
  // 2. Powers, and their sum.
  asm.vzero(SUM);
  emitMaskedColumns(asm, columns, () => {
    asm.vmul(X, SCALE, column(P));
    asm.vsub(X, X, MOST);
    emitExp(asm, { x: X, n: N, p: E, t: T });
    emitKeep(asm, X);
    asm.vstore(X, column(P));
    asm.vadd(SUM, SUM, X);
  });
  emitAllLanes(asm, SUM, X, "vadd");
  asm.vstoreFirst(SUM, { base: SUMS });
  // 3. Their parts of the sum.
  asm.vload(T, asm.constant(1));
  asm.vdiv(SUM, T, SUM);
  asm.movImm(COL, 0);
  const next = asm.here();
  asm.vmul(X, SUM, column(P));
  asm.vstore(X, column(P));
  asm.addImm(COL, lanesOf(asm));
  asm.cmp(COL, KEYS);
  asm.jump(next, CONDITION.less);

  asm.addImm(SEEN, 1);
  asm.store32(SEEN, args.at("seen"));
  asm.add(P, STRIDE);
  asm.addImm(MOSTS, 4);
  asm.addImm(SUMS, 4);
  asm.subImm(ROWS, 1);
  asm.jump(nextRow, CONDITION.greater);
}

/** Emits the body of the gradient of rows. */
export function emitSoftmaxBackward(asm: Assembler): void {
  const args = new Arguments(asm, SOFTMAX_BACKWARD_ARGS);
  args.pointer(P, "p");
  args.pointer(D, "d");
  args.pointer(LSE, "lse");
  args.pointer(DELTAS, "deltas");
  args.number(STRIDE, "stride");
  args.number(ROWS, "rows");
  args.number(SEEN, "seen");
  args.number(KEYS, "keys");
  asm.vbroadcast(SCALE, args.at("scale"));
  const columns = { count: KEYS, limit: LIMIT, index: INDEX };
  const nextRow = asm.here();
  asm.vbroadcast(LIMIT, args.at("seen"));
  asm.vbroadcast(ROW_LSE, { base: LSE });
  asm.vbroadcast(DELTA, { base: DELTAS });
  emitMaskedColumns(asm, columns, () => {
    asm.vmul(X, SCALE, column(P));
    asm.vsub(X, X, ROW_LSE);
    emitExp(asm, { x: X, n: N, p: E, t: T });
    emitKeep(asm, X);
    asm.vstore(X, column(P));
    asm.vload(DS, column(D));
    asm.vsub(DS, DS, DELTA);
    asm.vmul(DS, X, DS);
    asm.vmul(DS, DS, SCALE);
    emitKeep(asm, DS); // what was there may have been NaN
    asm.vstore(DS, column(D));
  });
  asm.addImm(SEEN, 1);
  asm.store32(SEEN, args.at("seen"));
  asm.add(P, STRIDE);
  asm.add(D, STRIDE);
  asm.addImm(LSE, 4);
  asm.addImm(DELTAS, 4);
  asm.subImm(ROWS, 1);
  asm.jump(nextRow, CONDITION.greater);
}
