/**
 * Machine code of LayerNorm and RMSNorm, and of their gradients by row.
 *
 * The native twins of kernels/norms.ts. Sums run over as many lanes as a
 * vector has, so their last bits differ with its width. Memory bound.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { CONDITION, R } from "./encoding.ts";
import {
  Arguments,
  emitAllLanes,
  emitColumns,
  emitKeep,
  emitLoad,
  emitStore,
  emitTailMask,
} from "./vector_code.ts";

/** The 32-bit words of the arguments, in order. */
const NORM_ARGS = [
  "out",
  /** f32 (rows); LayerNorm only. */
  "mean",
  "rstd",
  "x",
  "weight",
  /** 0 for none; LayerNorm only. */
  "bias",
  "rows",
  "C",
  /** f32: 1 / C. */
  "inverseC",
  /** f32. */
  "eps",
] as const;

/** The 32-bit words of the arguments, in order. */
const NORM_BACKWARD_ARGS = [
  "out",
  "dOut",
  "x",
  "weight",
  /** LayerNorm only. */
  "mean",
  "rstd",
  /** 0 for none. */
  "addTo",
  "rows",
  "C",
  "inverseC",
] as const;

const OUT = R.r8, XS = R.r9, WEIGHT = R.r10, MEAN = R.r11, RSTD = R.r12;
const BIAS = R.r13, ROWS = R.r14, C = R.r15, D_OUT = R.rbx, ADD = R.r13;
const ROW_BYTES = R.rbp;
const V = 0, T = 1, SUM = 2, MEANS = 3, RSTDS = 4, SUM_GH = 5, INVERSE = 6;
const EPS = 7, G = 8;

/** Emits the body of a norm of rows: LayerNorm's are centered. */
export function emitNorm(
  asm: Assembler,
  { centered }: { centered: boolean },
): void {
  const args = new Arguments(asm, NORM_ARGS);
  args.pointer(OUT, "out");
  args.pointer(XS, "x");
  args.pointer(WEIGHT, "weight");
  args.pointer(RSTD, "rstd");
  args.pointer(MEAN, "mean");
  args.pointer(BIAS, "bias", { optional: true });
  args.number(ROWS, "rows");
  args.number(C, "C");
  asm.vbroadcast(INVERSE, args.at("inverseC"));
  asm.vbroadcast(EPS, args.at("eps"));
  emitTailMask(asm, C);
  const nextRow = asm.here();
  // 1. The mean.
  if (centered) {
    asm.vzero(SUM);
    emitColumns(asm, C, (tail) => {
      emitLoad(asm, V, XS, tail);
      asm.vadd(SUM, SUM, V);
    });
    emitAllLanes(asm, SUM, T, "vadd");
    asm.vmul(MEANS, SUM, INVERSE);
    asm.vstoreFirst(MEANS, { base: MEAN });
  }
  // 2. How far from it.
  asm.vzero(SUM);
  emitColumns(asm, C, (tail) => {
    emitLoad(asm, V, XS, tail);
    if (centered) {
      asm.vsub(V, V, MEANS);
      emitKeep(asm, V, tail);
    }
    asm.vfma(SUM, V, V);
  });
  emitAllLanes(asm, SUM, T, "vadd");
  asm.vmul(SUM, SUM, INVERSE);
  asm.vadd(SUM, SUM, EPS);
  asm.vsqrt(SUM, SUM);
  asm.vload(T, asm.constant(1));
  asm.vdiv(RSTDS, T, SUM);
  asm.vstoreFirst(RSTDS, { base: RSTD });
  // 3. The result.
  emitColumns(asm, C, (tail) => {
    emitLoad(asm, V, XS, tail);
    if (centered) asm.vsub(V, V, MEANS);
    asm.vmul(V, V, RSTDS);
    emitLoad(asm, T, WEIGHT, tail);
    asm.vmul(V, V, T);
    if (centered) {
      const noBias = asm.label();
      asm.testZero(BIAS);
      asm.jump(noBias, CONDITION.equal);
      emitLoad(asm, T, BIAS, tail);
      asm.vadd(V, V, T);
      asm.bind(noBias);
    }
    emitStore(asm, V, OUT, tail);
  });
  emitNextRow(asm, [OUT, XS]);
  asm.jump(nextRow, CONDITION.greater);
}

/**
 * Emits the body of the gradient: with h = (x - mean) rstd and
 * g = dOut weight, `out = addTo + rstd (g - mean(g) - h mean(g h))`.
 */
export function emitNormBackward(
  asm: Assembler,
  { centered }: { centered: boolean },
): void {
  const args = new Arguments(asm, NORM_BACKWARD_ARGS);
  args.pointer(OUT, "out");
  args.pointer(D_OUT, "dOut");
  args.pointer(XS, "x");
  args.pointer(WEIGHT, "weight");
  args.pointer(MEAN, "mean");
  args.pointer(RSTD, "rstd");
  args.pointer(ADD, "addTo", { optional: true });
  args.number(ROWS, "rows");
  args.number(C, "C");
  asm.vbroadcast(INVERSE, args.at("inverseC"));
  emitTailMask(asm, C);
  /** G = g, V = h. */
  const loadRow = (tail: boolean) => {
    emitLoad(asm, G, D_OUT, tail);
    emitLoad(asm, T, WEIGHT, tail);
    asm.vmul(G, G, T);
    emitLoad(asm, V, XS, tail);
    if (centered) asm.vsub(V, V, MEANS);
    asm.vmul(V, V, RSTDS);
  };
  const nextRow = asm.here();
  if (centered) asm.vbroadcast(MEANS, { base: MEAN });
  asm.vbroadcast(RSTDS, { base: RSTD });
  asm.vzero(SUM);
  asm.vzero(SUM_GH);
  emitColumns(asm, C, (tail) => {
    loadRow(tail); // g is 0 beyond the row
    if (centered) asm.vadd(SUM, SUM, G);
    asm.vfma(SUM_GH, G, V);
  });
  if (centered) {
    emitAllLanes(asm, SUM, T, "vadd");
    asm.vmul(SUM, SUM, INVERSE);
  }
  emitAllLanes(asm, SUM_GH, T, "vadd");
  asm.vmul(SUM_GH, SUM_GH, INVERSE);
  emitColumns(asm, C, (tail) => {
    loadRow(tail);
    asm.vmul(V, V, SUM_GH);
    asm.vsub(G, G, V);
    if (centered) asm.vsub(G, G, SUM);
    asm.vmul(G, G, RSTDS);
    const noAdd = asm.label();
    asm.testZero(ADD);
    asm.jump(noAdd, CONDITION.equal);
    emitLoad(asm, T, ADD, tail);
    asm.vadd(G, G, T);
    asm.bind(noAdd);
    emitStore(asm, G, OUT, tail);
  });
  emitNextRow(asm, [OUT, D_OUT, XS]);
  const noAdd = asm.label();
  asm.testZero(ADD);
  asm.jump(noAdd, CONDITION.equal);
  asm.add(ADD, ROW_BYTES);
  asm.bind(noAdd);
  asm.testZero(ROWS);
  asm.jump(nextRow, CONDITION.greater);
}

/** Moves to the next row; sets the flags by how many are left. */
function emitNextRow(asm: Assembler, rows: readonly number[]): void {
  asm.lea(ROW_BYTES, { base: C, index: C });
  asm.add(ROW_BYTES, ROW_BYTES);
  for (const row of rows) asm.add(row, ROW_BYTES);
  asm.addImm(MEAN, 4);
  asm.addImm(RSTD, 4);
  asm.subImm(ROWS, 1);
}
