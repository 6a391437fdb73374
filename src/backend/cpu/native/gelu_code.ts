/**
 * Machine code of the GELU, exact and by tanh, and of its gradient.
 *
 * The native twin of `gelu` in kernels/elementwise.ts: the same operations in
 * the same order, so the same bits as a fused WebAssembly build gives. Bound
 * by the polynomials.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { CONDITION, R } from "./encoding.ts";
import { Arguments, emitExp, emitExpInside } from "./vector_code.ts";

/** The 32-bit words of the arguments, in order. */
const GELU_ARGS = [
  "out",
  "x",
  /** Gradient only. */
  "dOut",
  /** Elements, rounded up to 16: tensors own whole cache lines. */
  "n",
] as const;

/** Which GELU, and whether its gradient. */
export interface GeluForm {
  readonly tanh: boolean;
  readonly backward: boolean;
}

const OUT = R.r8, X = R.r9, D_OUT = R.r10, LEFT = R.r11;
/** Vector registers; the weight is the part of x that comes through. */
const VX = 0, WEIGHT = 1, N = 2, P = 3, T = 4, U = 5;

/** As in kernels/constants.ts. */
const SCALE_2 = 1.5957691216057308, DENSITY_0 = 0.3989422804014327;
const ERF_P = [
  -2.72614225801306e-10,
  2.77068142495902e-08,
  -2.10102402082508e-06,
  -5.69250639462346e-05,
  -7.34990630326855e-04,
  -2.95459980854025e-03,
  -1.60960333262415e-02,
];
const ERF_Q = [
  -1.45660718464996e-05,
  -2.13374055278905e-04,
  -1.68282697438203e-03,
  -7.37332916720468e-03,
  -1.42647390514189e-02,
];

/** Emits the body of a kernel. */
export function emitGelu(asm: Assembler, { tanh, backward }: GeluForm): void {
  const args = new Arguments(asm, GELU_ARGS);
  args.pointer(OUT, "out");
  args.pointer(X, "x");
  if (backward) args.pointer(D_OUT, "dOut");
  args.number(LEFT, "n");
  const next = asm.here();
  asm.vload(VX, { base: X });
  if (tanh) emitSigmoid(asm);
  else emitNormalCdf(asm);
  if (backward) {
    if (tanh) emitTanhSlope(asm);
    else emitExactSlope(asm);
    asm.vmul(T, T, { base: D_OUT });
    asm.addImm(D_OUT, asm.vectorBytes);
  } else asm.vmul(T, VX, WEIGHT);
  asm.vstore(T, { base: OUT });
  asm.addImm(X, asm.vectorBytes);
  asm.addImm(OUT, asm.vectorBytes);
  asm.subImm(LEFT, asm.vectorBytes / 4);
  asm.jump(next, CONDITION.greater);
}

/** WEIGHT = 1 / (1 + e^-2u), 2u = scale2 x (1 + cubic x^2) within bounds. */
function emitSigmoid(asm: Assembler): void {
  const one = asm.constant(1);
  asm.vmul(T, VX, asm.constant(0.044715));
  asm.vfmaThen(T, VX, one);
  asm.vmul(P, VX, asm.constant(-SCALE_2));
  asm.vmul(T, P, T);
  // The second operand is what stays when it is NaN.
  asm.vload(P, asm.constant(87));
  asm.vmin(T, P, T);
  asm.vload(P, asm.constant(-87));
  asm.vmax(T, P, T);
  emitExpInside(asm, { x: T, n: N, p: P, t: U });
  asm.vload(P, one);
  asm.vadd(T, T, P);
  asm.vdiv(WEIGHT, P, T);
}

/** T = s + x s (1 - s) scale2 (1 + cubic3 x^2), with s = WEIGHT. */
function emitTanhSlope(asm: Assembler): void {
  asm.vmul(T, VX, asm.constant(0.134145));
  asm.vfmaThen(T, VX, asm.constant(1));
  asm.vload(P, asm.constant(1));
  asm.vsub(P, P, WEIGHT);
  asm.vmul(T, T, asm.constant(SCALE_2));
  asm.vmul(P, WEIGHT, P);
  asm.vmul(T, P, T);
  asm.vfmaThen(T, VX, WEIGHT);
}

/** WEIGHT = (1 + erf(x / sqrt 2)) / 2. */
function emitNormalCdf(asm: Assembler): void {
  asm.vmul(U, VX, asm.constant(0.7071067811865476));
  asm.vload(T, asm.constant(4));
  asm.vmin(U, T, U);
  asm.vload(T, asm.constant(-4));
  asm.vmax(U, T, U);
  asm.vmul(T, U, U);
  for (const [v, [first, ...rest]] of [[P, ERF_P], [N, ERF_Q]] as const) {
    asm.vload(v, asm.constant(first));
    for (const coefficient of rest) {
      asm.vfmaThen(v, T, asm.constant(coefficient));
    }
  }
  asm.vmul(P, P, U);
  asm.vdiv(WEIGHT, P, N);
  asm.vload(T, asm.constant(0.5));
  asm.vfmaThen(WEIGHT, T, T);
}

/** T = WEIGHT + x times the normal density at x. */
function emitExactSlope(asm: Assembler): void {
  asm.vmul(T, VX, VX);
  asm.vmul(T, T, asm.constant(-0.5));
  emitExp(asm, { x: T, n: N, p: P, t: U });
  asm.vmul(T, T, asm.constant(DENSITY_0));
  asm.vfmaThen(T, VX, WEIGHT);
}
