/**
 * Machine code of the cross entropy of rows of logits, and of its gradient.
 *
 * The native twins of kernels/losses.ts but for the targets, which are a few
 * numbers per row. A vocabulary of 50,000 fits the second-level cache: bound
 * by e^x, and by memory where rows are read first.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { CONDITION, R } from "./encoding.ts";
import {
  Arguments,
  emitAllLanes,
  emitColumns,
  emitExp,
  emitFillUp,
  emitKeep,
  emitLoad,
  emitStore,
  emitTailMask,
} from "./vector_code.ts";

/** The 32-bit words of the arguments, in order. */
const ROW_POWERS_ARGS = [
  /** Rows of V, one behind the other. */
  "x",
  "rows",
  "V",
  /** Largest element of each row, and the sum of e^(element - largest). */
  "mosts",
  "sums",
] as const;

/** The 32-bit words of the arguments, in order. */
const SCALED_SOFTMAX_ARGS = [
  /** One row of V; may be `x`. */
  "out",
  "x",
  "V",
  /** f32: log-sum-exp of the row, and what its softmax is multiplied by. */
  "lse",
  "factor",
] as const;

const XS = R.r8, ROWS = R.r9, V = R.r10, MOSTS = R.r11, SUMS = R.r12;
const OUT = R.r9, ROW_BYTES = R.rbx;
const X = 0, N = 1, P = 2, T = 3, MOST = 4, SUM = 5, LSE = 4, FACTOR = 5;

/** Emits the body that finds the log-sum-exp of rows, in two parts. */
export function emitRowPowers(asm: Assembler): void {
  const args = new Arguments(asm, ROW_POWERS_ARGS);
  args.pointer(XS, "x");
  args.pointer(MOSTS, "mosts");
  args.pointer(SUMS, "sums");
  args.number(ROWS, "rows");
  args.number(V, "V");
  emitTailMask(asm, V);
  const nextRow = asm.here();
  asm.vload(MOST, asm.constant(-Infinity));
  emitColumns(asm, V, (tail) => {
    emitLoad(asm, X, XS, tail);
    if (tail) emitFillUp(asm, X, MOST);
    asm.vmax(MOST, X, MOST); // the second operand stays when one is NaN
  });
  emitAllLanes(asm, MOST, X, "vmax");
  asm.vstoreFirst(MOST, { base: MOSTS });
  asm.vzero(SUM);
  emitColumns(asm, V, (tail) => {
    emitLoad(asm, X, XS, tail);
    asm.vsub(X, X, MOST);
    emitExp(asm, { x: X, n: N, p: P, t: T });
    emitKeep(asm, X, tail);
    asm.vadd(SUM, SUM, X);
  });
  emitAllLanes(asm, SUM, X, "vadd");
  asm.vstoreFirst(SUM, { base: SUMS });
  asm.lea(ROW_BYTES, { base: V, index: V });
  asm.add(ROW_BYTES, ROW_BYTES);
  asm.add(XS, ROW_BYTES);
  asm.addImm(MOSTS, 4);
  asm.addImm(SUMS, 4);
  asm.subImm(ROWS, 1);
  asm.jump(nextRow, CONDITION.greater);
}

/** Emits the body of `out = factor e^(x - lse)`. */
export function emitScaledSoftmax(asm: Assembler): void {
  const args = new Arguments(asm, SCALED_SOFTMAX_ARGS);
  args.pointer(XS, "x");
  args.pointer(OUT, "out");
  args.number(V, "V");
  asm.vbroadcast(LSE, args.at("lse"));
  asm.vbroadcast(FACTOR, args.at("factor"));
  emitTailMask(asm, V);
  emitColumns(asm, V, (tail) => {
    emitLoad(asm, X, XS, tail);
    asm.vsub(X, X, LSE);
    emitExp(asm, { x: X, n: N, p: P, t: T });
    asm.vmul(X, X, FACTOR);
    emitStore(asm, X, OUT, tail);
  });
}
