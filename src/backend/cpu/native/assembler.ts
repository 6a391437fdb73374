/**
 * A small x86-64 assembler: the instructions that the native kernels use.
 *
 * Names are those of the instructions, without what the operands say already.
 * `mask` is one of k1 … k7, and zeroes what it hides.
 *
 * @module
 */

import {
  type Address,
  type Label,
  MAP_0F,
  MAP_0F38,
  MAP_0F3A,
  type Operand,
  PP_66,
  PP_F2,
  PP_F3,
  PP_NONE,
  R,
  type VectorOp,
} from "./encoding.ts";
import { IntegerAssembler } from "./integer_assembler.ts";

const MOVUPS_LOAD: VectorOp = { map: MAP_0F, pp: PP_NONE, opcode: 0x10 };
const MOVUPS_STORE: VectorOp = { ...MOVUPS_LOAD, opcode: 0x11, merges: true };
const ADDPS: VectorOp = { map: MAP_0F, pp: PP_NONE, opcode: 0x58 };
const BROADCASTSS: VectorOp = {
  map: MAP_0F38,
  pp: PP_66,
  opcode: 0x18,
  tuple: 4,
};
const BROADCASTD: VectorOp = { ...BROADCASTSS, opcode: 0x58 };
const FMADD213PS: VectorOp = { map: MAP_0F38, pp: PP_66, opcode: 0xa8 };
const FMADD231PS: VectorOp = { map: MAP_0F38, pp: PP_66, opcode: 0xb8 };
const DPBF16PS: VectorOp = { map: MAP_0F38, pp: PP_F3, opcode: 0x52 };

/** Collects machine code; see the module. */
export class Assembler extends IntegerAssembler {
  /** Constants by their bits. */
  readonly #constants = new Map<number, Label>();

  /** Loads a vector, at any address. */
  vload(v: number, from: Address, mask = 0): void {
    this.vector(MOVUPS_LOAD, v, 0, from, mask);
  }

  /** Stores a vector, at any address. */
  vstore(v: number, to: Address, mask = 0): void {
    this.vector(MOVUPS_STORE, v, 0, to, mask);
  }

  /** Every lane = the f32 at `from`. */
  vbroadcast(v: number, from: Address): void {
    this.vector(BROADCASTSS, v, 0, from, 0);
  }

  /** Every lane = the 32 bits at `from`; the same, for pairs of bf16. */
  vbroadcast32(v: number, from: Address): void {
    this.vector(BROADCASTD, v, 0, from, 0);
  }

  /**
   * The address of a vector that holds `value` in every lane. It lies behind
   * the code, once {@linkcode emitConstants} has put it there.
   */
  constant(value: number): Address {
    return this.constantInt(new Int32Array(Float32Array.of(value).buffer)[0]);
  }

  /** The same for 32 bits of an integer. */
  constantInt(bits: number): Address {
    let label = this.#constants.get(bits);
    if (!label) this.#constants.set(bits, label = this.label());
    return { base: R.rbp, label };
  }

  /** The number of each lane as an integer, from 0. */
  readonly laneNumbers: Address = { base: R.rbp, label: this.label() };

  /** Words of -1, as many as a vector has lanes, and then as many of 0. */
  readonly maskTable: Address = { base: R.rbp, label: this.label() };

  /** Puts all constants here: after the last instruction. */
  emitConstants(): void {
    this.alignTo(64);
    this.bind(this.maskTable.label!);
    for (let i = 0; i < this.vectorBytes; i++) this.emit(255);
    for (let i = 0; i < this.vectorBytes; i++) this.emit(0);
    this.bind(this.laneNumbers.label!);
    for (let i = 0; i < this.vectorBytes / 4; i++) this.imm32(i);
    for (const [bits, label] of this.#constants) {
      this.bind(label);
      for (let i = 0; i < this.vectorBytes; i += 4) this.imm32(bits);
    }
  }

  /** `v = x`. */
  vmov(v: number, x: number): void {
    this.vector({ ...MOVUPS_LOAD, opcode: 0x28 }, v, 0, x);
  }

  /** `v = 0`. */
  vzero(v: number): void {
    if (this.width === 256) {
      this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x57 }, v, v, v);
    } else {
      this.vector({ map: MAP_0F, pp: PP_66, opcode: 0xef }, v, v, v);
    }
  }

  /** `v = x + y`. */
  vadd(v: number, x: number, y: Operand): void {
    this.vector(ADDPS, v, x, y);
  }

  /** `v = x - y`. */
  vsub(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5c }, v, x, y);
  }

  /** `v = x * y`. */
  vmul(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x59 }, v, x, y);
  }

  /** `v = x / y`. */
  vdiv(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5e }, v, x, y);
  }

  /** `v` = square root of x. */
  vsqrt(v: number, x: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x51 }, v, 0, x);
  }

  /** `v` = the smaller; y if either is NaN. */
  vmin(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5d }, v, x, y);
  }

  /** `v` = the larger; y if either is NaN. */
  vmax(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5f }, v, x, y);
  }

  /** `v = x + y`, each 32 bits an integer. */
  vaddInt32(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_66, opcode: 0xfe }, v, x, y);
  }

  /**
   * Mask = where x > y, each 32 bits an integer: mask register k in AVX-512,
   * -1 or 0 in the lanes of vector register k in AVX2.
   */
  vgreaterInt32(k: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_66, opcode: 0x66 }, k, x, y);
  }

  /** `v = v * x + y`, one rounding. */
  vfmaThen(v: number, x: number, y: Operand): void {
    this.vector(FMADD213PS, v, x, y);
  }

  /** `v += x * y`, one rounding. */
  vfma(v: number, x: number, y: Operand): void {
    this.vector(FMADD231PS, v, x, y);
  }

  /** `v += x[2i] * y[2i] + x[2i+1] * y[2i+1]` on bf16 pairs; AVX-512. */
  vdpbf16(v: number, x: number, y: number): void {
    this.vector(DPBF16PS, v, x, y);
  }

  /** `v` = the f32 of `low`, then of `high`, as 32 bf16, to nearest; AVX-512. */
  vcvtTwoToBf16(v: number, high: number, low: number): void {
    this.vector({ map: MAP_0F38, pp: PP_F2, opcode: 0x72 }, v, high, low);
  }

  /** The low half of `v` = the f32 of `x` as bf16, to nearest; AVX-512. */
  vcvtToBf16(v: number, x: number): void {
    this.vector({ map: MAP_0F38, pp: PP_F3, opcode: 0x72 }, v, 0, x);
  }

  /** Every 32 bits of `v` = one of the 16 bits in the low half of `x`. */
  vwiden16(v: number, x: number): void {
    this.vector({ map: MAP_0F38, pp: PP_66, opcode: 0x33 }, v, 0, x);
  }

  /** `v = x << bits`, each 32 bits. */
  vshl32(v: number, x: number, bits: number): void {
    this.vector({ map: MAP_0F, pp: PP_66, opcode: 0x72 }, 6, v, x);
    this.emit(bits);
  }

  /** `v = x | y`. */
  vor(v: number, x: number, y: number): void {
    this.vector({ map: MAP_0F, pp: PP_66, opcode: 0xeb }, v, x, y);
  }

  /** Interleaves low or high 32-bit halves within each 128 bits. */
  vunpack32(v: number, x: number, y: number, half: "low" | "high"): void {
    const opcode = half === "low" ? 0x14 : 0x15;
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode }, v, x, y);
  }

  /** Interleaves low or high 64-bit halves within each 128 bits. */
  vunpack64(v: number, x: number, y: number, half: "low" | "high"): void {
    const opcode = half === "low" ? 0x14 : 0x15;
    const w = this.width === 512 ? 1 : 0; // VEX ignores it
    this.vector({ map: MAP_0F, pp: PP_66, opcode, w }, v, x, y);
  }

  /** Picks four of x within each 128 bits, two bits of `control` each. */
  vpermute32(v: number, x: number, control: number): void {
    this.vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x04 }, v, 0, x);
    this.emit(control);
  }

  /** Picks two 128-bit quarters of x, then two of y; AVX-512. */
  vshuffle128(v: number, x: number, y: number, control: number): void {
    this.vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x23 }, v, x, y);
    this.emit(control);
  }

  /** Picks one 128-bit half each of x and y; AVX2. */
  vpermute128(v: number, x: number, y: number, control: number): void {
    this.vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x06 }, v, x, y);
    this.emit(control);
  }

  /** `v = x & y`; AVX2. */
  vand(v: number, x: number, y: Operand): void {
    this.vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x54 }, v, x, y);
  }

  /** `v = x` in the lanes of the mask, and 0 in the others; AVX-512. */
  vmovMasked(v: number, x: number, mask: number): void {
    this.vector({ ...MOVUPS_LOAD, opcode: 0x28 }, v, 0, x, mask);
  }

  /** `v = y` in the lanes of the mask, and x in the others. */
  vblend(v: number, x: number, y: number, mask: number): void {
    if (this.width === 512) {
      const op = { map: MAP_0F38, pp: PP_66, opcode: 0x65, merges: true };
      this.vector(op, v, x, y, mask);
    } else {
      this.vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x4a }, v, x, y);
      this.emit(mask << 4);
    }
  }

  /** 32 bits at `to` = the first lane; v below 16. */
  vstoreFirst(v: number, to: Address): void {
    const op = { map: MAP_0F, pp: PP_F3, opcode: 0x11, tuple: 4, merges: true };
    this.vector(op, v, 0, to);
  }

  /** Loads the lanes whose mask has its top bit; the others are 0; AVX2. */
  vmaskLoad(v: number, mask: number, from: Address): void {
    const op = { map: MAP_0F38, pp: PP_66, opcode: 0x2c };
    this.vector(op, v, mask, from, 0);
  }

  /** Stores the lanes whose mask has its top bit; AVX2. */
  vmaskStore(v: number, mask: number, to: Address): void {
    const op = { map: MAP_0F38, pp: PP_66, opcode: 0x2e };
    this.vector(op, v, mask, to, 0);
  }

  /** Mask register `k` = the low 16 bits of `r`, one of rax … rdi; AVX-512. */
  kmov(k: number, r: number): void {
    if (r > R.rdi) throw new RangeError(`kmov takes rax to rdi, not r${r}`);
    this.emit(0xc5, 0xf8, 0x92, 0xc0 | k << 3 | r);
  }

  /** Clears the upper halves: code that uses SSE next is not slowed down. */
  vzeroupper(): void {
    this.emit(0xc5, 0xf8, 0x77);
  }
}
