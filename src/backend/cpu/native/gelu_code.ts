/**
 * Machine code of the GELU by tanh, and of its gradient.
 *
 * The native twin of `gelu` in kernels/elementwise.ts: the same operations in
 * the same order, so the same bits as a fused WebAssembly build gives. Bound
 * by the exponential; constants are broadcast where they are used, as AVX2
 * has too few registers to keep them.
 *
 * @module
 */

import { type Address, type Assembler, CONDITION, R } from "./assembler.ts";

/** The 32-bit words of the arguments, in order. */
export const GELU_ARGS = [
  "out",
  "x",
  /** Gradient only. */
  "dOut",
  /** Elements, rounded up to 16: tensors own whole cache lines. */
  "n",
] as const;

/** Behind the words of any kernel's arguments: room for the constants. */
const CONSTANTS_AT = 64;

/** As in kernels/constants.ts. */
const CONSTANTS = {
  one: 1,
  rounder: 12582912,
  log2e: 1.44269504088896341,
  ln2High: -0.693359375,
  ln2Low: 2.12194440e-4,
  exp0: 1.9875691500e-4,
  exp1: 1.3981999507e-3,
  exp2: 8.3334519073e-3,
  exp3: 4.1665795894e-2,
  exp4: 1.6666665459e-1,
  exp5: 5.0000001201e-1,
  bound: 87,
  lowBound: -87,
  minusScale2: -1.5957691216057308,
  scale2: 1.5957691216057308,
  cubic: 0.044715,
  cubic3: 0.134145,
};

const BASE = R.rdi, ARGS = R.rsi;
const OUT = R.r8, X = R.r9, D_OUT = R.r10, LEFT = R.r11, SCRATCH = R.rax;
/** Vector registers; `C` holds one constant after another. */
const VX = 0, SIGMOID = 1, N = 2, R_ = 3, P = 4, C = 5, T = 6;

/** Emits the body of a kernel. @param backward Whether of the gradient. */
export function emitGelu(asm: Assembler, backward: boolean): void {
  Object.values(CONSTANTS).forEach((value, i) => {
    asm.movImm(SCRATCH, new Int32Array(Float32Array.of(value).buffer)[0]);
    asm.store32(SCRATCH, { base: ARGS, disp: CONSTANTS_AT + 4 * i });
  });
  loadPointer(asm, OUT, "out");
  loadPointer(asm, X, "x");
  if (backward) loadPointer(asm, D_OUT, "dOut");
  asm.load32(LEFT, argument("n"));
  const next = asm.here();
  asm.vload(VX, { base: X });
  emitSigmoid(asm);
  if (backward) {
    emitSlope(asm);
    asm.vload(C, { base: D_OUT });
    asm.vmul(T, C, T);
    asm.addImm(D_OUT, asm.vectorBytes);
  } else asm.vmul(T, VX, SIGMOID);
  asm.vstore(T, { base: OUT });
  asm.addImm(X, asm.vectorBytes);
  asm.addImm(OUT, asm.vectorBytes);
  asm.subImm(LEFT, asm.vectorBytes / 4);
  asm.jump(next, CONDITION.greater);
}

/** SIGMOID = 1 / (1 + e^-2u), 2u = scale2 x (1 + cubic x^2) within bounds. */
function emitSigmoid(asm: Assembler): void {
  // 1. T = -2u. The second operand is what stays when it is NaN.
  asm.vmul(T, constant(asm, "cubic"), VX);
  asm.vfmaThen(T, VX, constant(asm, "one"));
  asm.vmul(P, constant(asm, "minusScale2"), VX);
  asm.vmul(T, P, T);
  asm.vmin(T, constant(asm, "bound"), T);
  asm.vmax(T, constant(asm, "lowBound"), T);
  // 2. T = e^T, as `exp` of kernels/math.ts.
  asm.vmul(N, T, constant(asm, "one")); // a copy
  asm.vbroadcast(P, constantAt("log2e"));
  asm.vfmaThen(N, P, constant(asm, "rounder"));
  asm.vsub(P, N, C);
  asm.vfma(T, P, constant(asm, "ln2High"));
  asm.vfma(T, P, constant(asm, "ln2Low"));
  asm.vbroadcast(P, constantAt("exp0"));
  for (const name of ["exp1", "exp2", "exp3", "exp4", "exp5"] as const) {
    asm.vfmaThen(P, T, constant(asm, name));
  }
  asm.vadd(R_, T, constant(asm, "one"));
  asm.vmul(T, T, T);
  asm.vfmaThen(P, T, R_);
  asm.vshl32(N, N, 23);
  asm.vaddInt32(N, N, C);
  asm.vmul(T, P, N);
  // 3. The rest.
  asm.vadd(T, C, T);
  asm.vdiv(SIGMOID, C, T);
}

/** T = s + x s (1 - s) scale2 (1 + cubic3 x^2), with s = SIGMOID. */
function emitSlope(asm: Assembler): void {
  asm.vmul(T, constant(asm, "cubic3"), VX);
  asm.vfmaThen(T, VX, constant(asm, "one"));
  asm.vsub(P, C, SIGMOID);
  asm.vmul(T, constant(asm, "scale2"), T);
  asm.vmul(P, SIGMOID, P);
  asm.vmul(T, P, T);
  asm.vfmaThen(T, VX, SIGMOID);
}

/** Loads a constant to C. @returns C. */
function constant(asm: Assembler, name: keyof typeof CONSTANTS): number {
  asm.vbroadcast(C, constantAt(name));
  return C;
}

function constantAt(name: keyof typeof CONSTANTS): Address {
  const index = Object.keys(CONSTANTS).indexOf(name);
  return { base: ARGS, disp: CONSTANTS_AT + 4 * index };
}

type Argument = typeof GELU_ARGS[number];

function argument(name: Argument): Address {
  return { base: ARGS, disp: 4 * GELU_ARGS.indexOf(name) };
}

function loadPointer(asm: Assembler, register: number, name: Argument): void {
  asm.load32(register, argument(name));
  asm.add(register, BASE);
}
