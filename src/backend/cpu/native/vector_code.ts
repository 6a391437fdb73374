/**
 * Pieces that the kernels for rows and elements are made of: arguments, loops
 * along a row with a last part of a vector, sums over lanes, e^x.
 *
 * A kernel keeps {@linkcode COL}, {@linkcode FULL} and rcx, rdx for these, and
 * the vector register {@linkcode MASK} or mask register 1 for the lanes of the
 * last part.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { type Address, CONDITION, R } from "./encoding.ts";

/** Where the shared memory and the arguments begin; see calling.ts. */
export const BASE = R.rdi, ARGS = R.rsi;
/** The column a loop is at, and where whole vectors end, in elements. */
export const COL = R.rax, FULL = R.rdx;
const COUNT = R.rcx, SCRATCH = R.rdx;

/** Holds the lanes of a row's last part: AVX-512 and AVX2. */
const TAIL = 1;
const MASK = 15;

/** What reads the 32-bit words of a kernel's arguments by their names. */
export class Arguments<Name extends string> {
  readonly #asm: Assembler;
  readonly #names: readonly Name[];

  constructor(asm: Assembler, names: readonly Name[]) {
    this.#asm = asm;
    this.#names = names;
  }

  /** Where an argument lies. */
  at(name: Name): Address {
    return { base: ARGS, disp: 4 * this.#names.indexOf(name) };
  }

  /** `register` = a number without sign. */
  number(register: number, name: Name): void {
    this.#asm.load32(register, this.at(name));
  }

  /** `register` = where an offset points to; 0 stays 0 if `optional`. */
  pointer(
    register: number,
    name: Name,
    { optional = false }: { optional?: boolean } = {},
  ): void {
    const none = this.#asm.label();
    this.number(register, name);
    if (optional) {
      this.#asm.testZero(register);
      this.#asm.jump(none, CONDITION.equal);
    }
    this.#asm.add(register, BASE);
    this.#asm.bind(none);
  }
}

/** f32 per vector register. */
export function lanesOf(asm: Assembler): number {
  return asm.vectorBytes / 4;
}

/** Sets the mask to the lanes of the last part of a row of `count`. */
export function emitTailMask(asm: Assembler, count: number): void {
  const lanes = lanesOf(asm);
  asm.mov(COUNT, count);
  asm.andImm(COUNT, lanes - 1);
  if (asm.width === 512) {
    asm.movImm(SCRATCH, 1);
    asm.shlByCl(SCRATCH);
    asm.subImm(SCRATCH, 1);
    asm.kmov(TAIL, SCRATCH);
  } else {
    // The words of -1 end after one vector: begin `count` before that.
    asm.lea(SCRATCH, asm.maskTable);
    asm.shlImm(COUNT, 2);
    asm.sub(SCRATCH, COUNT);
    asm.vload(MASK, { base: SCRATCH, disp: asm.vectorBytes });
  }
}

/**
 * Emits a loop along the first `count` elements of a row, vector by vector.
 *
 * @param body Emitted twice: for whole vectors, and for what is left in the
 * end, to which the mask must have been set. COL says where it is.
 */
export function emitColumns(
  asm: Assembler,
  count: number,
  body: (tail: boolean) => void,
): void {
  const lanes = lanesOf(asm);
  const tail = asm.label(), done = asm.label();
  asm.mov(FULL, count);
  asm.andImm(FULL, -lanes);
  asm.movImm(COL, 0);
  asm.testZero(FULL);
  asm.jump(tail, CONDITION.equal);
  const next = asm.here();
  body(false);
  asm.addImm(COL, lanes);
  asm.cmp(COL, FULL);
  asm.jump(next, CONDITION.less);
  asm.bind(tail);
  asm.cmp(COL, count);
  asm.jump(done, CONDITION.greaterOrEqual);
  body(true);
  asm.addImm(COL, lanes);
  asm.bind(done);
}

/**
 * Emits a loop along `count` elements of a row in whole vectors, of which only
 * the first `limit` count: the mask is set anew for each vector. Rows that see
 * one element more than the row before take the same way then, which the
 * processor can predict.
 *
 * @param limit Vector register with the limit as an integer in every lane.
 * @param index Vector register to count lanes in.
 */
export function emitMaskedColumns(
  asm: Assembler,
  { count, limit, index }: { count: number; limit: number; index: number },
  body: () => void,
): void {
  const lanes = lanesOf(asm);
  asm.vload(index, asm.laneNumbers);
  asm.movImm(COL, 0);
  const next = asm.here();
  asm.vgreaterInt32(asm.width === 512 ? TAIL : MASK, limit, index);
  body();
  asm.vaddInt32(index, index, asm.constantInt(lanes));
  asm.addImm(COL, lanes);
  asm.cmp(COL, count);
  asm.jump(next, CONDITION.less);
}

/** The vector of a row at COL. */
export function column(row: number): Address {
  return { base: row, index: COL, scale: 4 };
}

/** Loads the vector of a row at COL; of the last part, 0 in other lanes. */
export function emitLoad(
  asm: Assembler,
  v: number,
  row: number,
  tail: boolean,
): void {
  if (!tail) asm.vload(v, column(row));
  else if (asm.width === 512) asm.vload(v, column(row), TAIL);
  else asm.vmaskLoad(v, MASK, column(row));
}

/** Stores the vector of a row at COL; of the last part, its lanes alone. */
export function emitStore(
  asm: Assembler,
  v: number,
  row: number,
  tail: boolean,
): void {
  if (!tail) asm.vstore(v, column(row));
  else if (asm.width === 512) asm.vstore(v, column(row), TAIL);
  else asm.vmaskStore(v, MASK, column(row));
}

/** Makes the lanes 0 that are beyond the last part; nothing if not `tail`. */
export function emitKeep(asm: Assembler, v: number, tail = true): void {
  if (!tail) return;
  if (asm.width === 512) asm.vmovMasked(v, v, TAIL);
  else asm.vand(v, v, MASK);
}

/** Lanes beyond the last part become those of `other`. */
export function emitFillUp(asm: Assembler, v: number, other: number): void {
  asm.vblend(v, other, v, asm.width === 512 ? TAIL : MASK);
}

/**
 * Every lane of `v` = all lanes put together by `combine`, in one fixed order.
 *
 * @param other A register for halves.
 */
export function emitAllLanes(
  asm: Assembler,
  v: number,
  other: number,
  combine: "vadd" | "vmax",
): void {
  if (asm.width === 512) {
    asm.vshuffle128(other, v, v, 0b01_00_11_10); // halves
    asm[combine](v, v, other);
    asm.vshuffle128(other, v, v, 0b10_11_00_01); // quarters
    asm[combine](v, v, other);
  } else {
    asm.vpermute128(other, v, v, 0x01);
    asm[combine](v, v, other);
  }
  asm.vpermute32(other, v, 0b01_00_11_10);
  asm[combine](v, v, other);
  asm.vpermute32(other, v, 0b10_11_00_01);
  asm[combine](v, v, other);
}

/**
 * `x = e^x`, in the operations of `exp` in kernels/math.ts, but that below
 * -87.3 it stays at 1e-38. NaN stays NaN.
 *
 * @param n, p, t Registers to work in.
 */
export function emitExp(
  asm: Assembler,
  { x, n, p, t }: { x: number; n: number; p: number; t: number },
): void {
  const rounder = asm.constant(12582912), one = asm.constant(1);
  asm.vload(t, asm.constant(88.37626));
  asm.vmin(x, t, x); // the second operand is what stays when it is NaN
  asm.vload(t, asm.constant(-87.33654));
  asm.vmax(x, t, x);
  emitExpInside(asm, { x, n, p, t, rounder, one });
}

/** The same for -87.3 < x < 88.4. */
export function emitExpInside(
  asm: Assembler,
  { x, n, p, t, rounder = asm.constant(12582912), one = asm.constant(1) }: {
    x: number;
    n: number;
    p: number;
    t: number;
    rounder?: Address;
    one?: Address;
  },
): void {
  asm.vload(n, rounder);
  asm.vfma(n, x, asm.constant(1.44269504088896341));
  asm.vsub(t, n, rounder);
  asm.vfma(x, t, asm.constant(-0.693359375));
  asm.vfma(x, t, asm.constant(2.12194440e-4));
  asm.vload(p, asm.constant(1.9875691500e-4));
  for (
    const coefficient of [
      1.3981999507e-3,
      8.3334519073e-3,
      4.1665795894e-2,
      1.6666665459e-1,
      5.0000001201e-1,
    ]
  ) asm.vfmaThen(p, x, asm.constant(coefficient));
  asm.vadd(t, x, one);
  asm.vmul(x, x, x);
  asm.vfmaThen(p, x, t);
  // The bits of 1 hold the exponent's bias: this is 2^n.
  asm.vshl32(n, n, 23);
  asm.vaddInt32(n, n, one);
  asm.vmul(x, p, n);
}
