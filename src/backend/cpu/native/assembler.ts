/**
 * A small x86-64 assembler: the instructions that the native kernels use.
 *
 * Registers are numbers as the processor counts them. Integer instructions are
 * 64 bits wide except where the name says 32. Vector instructions come in two
 * encodings: VEX (`ymm`, AVX2) and EVEX (`zmm`, AVX-512), chosen by the
 * {@linkcode VectorWidth} given to the constructor. Jumps go to labels and are
 * always 32 bits wide, which costs nothing that can be measured.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual,
 * volume 2, sections 2.1 (legacy), 2.3 (VEX) and 2.7 (EVEX).
 *
 * @module
 */

/** General registers by number. */
export const R = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
} as const;

/** 256 is AVX2 in VEX encoding, 512 is AVX-512 in EVEX encoding. */
export type VectorWidth = 256 | 512;

/** A memory operand: `[base + index * scale + disp]`, in bytes. */
export interface Address {
  readonly base: number;
  readonly index?: number;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly disp?: number;
}

/** Conditions of {@linkcode Assembler.jump}, by their opcode's low nibble. */
export const CONDITION = {
  below: 2,
  aboveOrEqual: 3,
  equal: 4,
  notEqual: 5,
  belowOrEqual: 6,
  above: 7,
  less: 12,
  greaterOrEqual: 13,
  lessOrEqual: 14,
  greater: 15,
} as const;

/** A place in the code, bound once, jumped to any number of times. */
export interface Label {
  position: number | null;
  readonly uses: number[];
}

/** Opcode maps of VEX and EVEX. */
const MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3;
/** Mandatory prefixes of VEX and EVEX: none, 66, F3, F2. */
const PP_NONE = 0, PP_66 = 1, PP_F3 = 2, PP_F2 = 3;

/** What tells one vector instruction from another. */
interface VectorOp {
  map: number;
  pp: number;
  opcode: number;
  /** The W bit: 1 for instructions on 64-bit elements. */
  w?: 0 | 1;
  /** Bytes by which EVEX scales an 8-bit displacement; the vector's size. */
  tuple?: number;
  /** Width other than the assembler's. */
  width?: 128 | 256 | 512;
}

const MOVUPS_LOAD: VectorOp = { map: MAP_0F, pp: PP_NONE, opcode: 0x10 };
const MOVUPS_STORE: VectorOp = { map: MAP_0F, pp: PP_NONE, opcode: 0x11 };
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
export class Assembler {
  readonly width: VectorWidth;
  #code: number[] = [];

  constructor(width: VectorWidth) {
    this.width = width;
  }

  /** Bytes per vector register. */
  get vectorBytes(): number {
    return this.width / 8;
  }

  /** Bytes so far. */
  get position(): number {
    return this.#code.length;
  }

  /** The code so far. Labels that were jumped to must be bound by now. */
  get code(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#code);
  }

  /** A label that is not bound yet. */
  label(): Label {
    return { position: null, uses: [] };
  }

  /** Binds `label` here. */
  bind(label: Label): void {
    label.position = this.#code.length;
    for (const use of label.uses) this.#patchJump(use, label.position);
  }

  /** A label bound here: the head of a loop. */
  here(): Label {
    return { position: this.#code.length, uses: [] };
  }

  /** Jumps, always or on a condition. */
  jump(label: Label, condition?: number): void {
    if (condition === undefined) this.#emit(0xe9);
    else this.#emit(0x0f, 0x80 | condition);
    const use = this.#code.length;
    this.#emit(0, 0, 0, 0);
    if (label.position === null) label.uses.push(use);
    else this.#patchJump(use, label.position);
  }

  // Integer instructions.

  push(r: number): void {
    if (r & 8) this.#emit(0x41);
    this.#emit(0x50 | r & 7);
  }

  pop(r: number): void {
    if (r & 8) this.#emit(0x41);
    this.#emit(0x58 | r & 7);
  }

  ret(): void {
    this.#emit(0xc3);
  }

  /** `r = s`. */
  mov(r: number, s: number): void {
    this.#integer(0x89, s, r);
  }

  /** `r = imm`, 32 bits, zero-extended. */
  movImm(r: number, imm: number): void {
    if (r & 8) this.#emit(0x41);
    this.#emit(0xb8 | r & 7);
    this.#imm32(imm);
  }

  /** `r` = 32 bits at `from`, zero-extended. */
  load32(r: number, from: Address): void {
    this.#rex(0, r, from);
    this.#emit(0x8b);
    this.#memory(r, from, 1);
  }

  /** 32 bits at `to` = low half of `r`. */
  store32(r: number, to: Address): void {
    this.#rex(0, r, to);
    this.#emit(0x89);
    this.#memory(r, to, 1);
  }

  /** `r` = the address `from`. */
  lea(r: number, from: Address): void {
    this.#rex(1, r, from);
    this.#emit(0x8d);
    this.#memory(r, from, 1);
  }

  /** `r += s`. */
  add(r: number, s: number): void {
    this.#integer(0x01, s, r);
  }

  /** `r -= s`. */
  sub(r: number, s: number): void {
    this.#integer(0x29, s, r);
  }

  /** `r *= s`. */
  imul(r: number, s: number): void {
    this.#emit(0x48 | (r >> 3) << 2 | s >> 3, 0x0f, 0xaf);
    this.#emit(0xc0 | (r & 7) << 3 | s & 7);
  }

  /** Compares `r` with `s`, for a jump. */
  cmp(r: number, s: number): void {
    this.#integer(0x39, s, r);
  }

  /** Compares `r` with 0, for a jump. */
  testZero(r: number): void {
    this.#integer(0x85, r, r);
  }

  /** `r += imm`, 32 bits with sign. */
  addImm(r: number, imm: number): void {
    this.#immediate(0, r, imm);
  }

  /** `r -= imm`. */
  subImm(r: number, imm: number): void {
    this.#immediate(5, r, imm);
  }

  /** `r &= imm`. */
  andImm(r: number, imm: number): void {
    this.#immediate(4, r, imm);
  }

  /** Compares `r` with `imm`. */
  cmpImm(r: number, imm: number): void {
    this.#immediate(7, r, imm);
  }

  /** `r <<= bits`. */
  shlImm(r: number, bits: number): void {
    this.#emit(0x48 | r >> 3, 0xc1, 0xe0 | r & 7, bits);
  }

  /** `r >>= bits`, filling with zeros. */
  shrImm(r: number, bits: number): void {
    this.#emit(0x48 | r >> 3, 0xc1, 0xe8 | r & 7, bits);
  }

  /** `r <<= cl`. */
  shlByCl(r: number): void {
    this.#emit(0x48 | r >> 3, 0xd3, 0xe0 | r & 7);
  }

  /** `r = condition ? s : r`. */
  cmov(condition: number, r: number, s: number): void {
    this.#emit(0x48 | (r >> 3) << 2 | s >> 3, 0x0f, 0x40 | condition);
    this.#emit(0xc0 | (r & 7) << 3 | s & 7);
  }

  /** Identifies the processor: eax, ebx, ecx, edx by eax and ecx. */
  cpuid(): void {
    this.#emit(0x0f, 0xa2);
  }

  /** Which register states the system saves: edx:eax, by ecx. */
  xgetbv(): void {
    this.#emit(0x0f, 0x01, 0xd0);
  }

  // Vector instructions; `mask` is one of k1 … k7, and zeroes what it hides.

  /** Loads a vector, at any address. */
  vload(v: number, from: Address, mask = 0): void {
    this.#vectorMemory(MOVUPS_LOAD, v, 0, from, mask);
  }

  /** Stores a vector, at any address. */
  vstore(v: number, to: Address, mask = 0): void {
    this.#vectorMemory(MOVUPS_STORE, v, 0, to, mask);
  }

  /** Every lane = the f32 at `from`. */
  vbroadcast(v: number, from: Address): void {
    this.#vectorMemory(BROADCASTSS, v, 0, from, 0);
  }

  /** Every lane = the 32 bits at `from`; the same, for pairs of bf16. */
  vbroadcast32(v: number, from: Address): void {
    this.#vectorMemory(BROADCASTD, v, 0, from, 0);
  }

  /** `v = 0`. */
  vzero(v: number): void {
    if (this.width === 256) {
      this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x57 }, v, v, v);
    } else {
      this.#vector({ map: MAP_0F, pp: PP_66, opcode: 0xef }, v, v, v);
    }
  }

  /** `v = x + y`. */
  vadd(v: number, x: number, y: number): void {
    this.#vector(ADDPS, v, x, y);
  }

  /** `v = x +` the vector at `from`. */
  vaddMemory(v: number, x: number, from: Address, mask = 0): void {
    this.#vectorMemory(ADDPS, v, x, from, mask);
  }

  /** `v = x - y`. */
  vsub(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5c }, v, x, y);
  }

  /** `v = x * y`. */
  vmul(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x59 }, v, x, y);
  }

  /** `v = x / y`. */
  vdiv(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5e }, v, x, y);
  }

  /** `v` = the smaller; y if either is NaN. */
  vmin(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5d }, v, x, y);
  }

  /** `v` = the larger; y if either is NaN. */
  vmax(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode: 0x5f }, v, x, y);
  }

  /** `v = x + y`, each 32 bits an integer. */
  vaddInt32(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_66, opcode: 0xfe }, v, x, y);
  }

  /** `v = v * x + y`, one rounding. */
  vfmaThen(v: number, x: number, y: number): void {
    this.#vector(FMADD213PS, v, x, y);
  }

  /** `v += x * y`, one rounding. */
  vfma(v: number, x: number, y: number): void {
    this.#vector(FMADD231PS, v, x, y);
  }

  /** `v += x[2i] * y[2i] + x[2i+1] * y[2i+1]` on bf16 pairs; AVX-512. */
  vdpbf16(v: number, x: number, y: number): void {
    this.#vector(DPBF16PS, v, x, y);
  }

  /** `v` = the f32 of `low`, then of `high`, as 32 bf16, to nearest; AVX-512. */
  vcvtTwoToBf16(v: number, high: number, low: number): void {
    this.#vector({ map: MAP_0F38, pp: PP_F2, opcode: 0x72 }, v, high, low);
  }

  /** The low half of `v` = the f32 of `x` as bf16, to nearest; AVX-512. */
  vcvtToBf16(v: number, x: number): void {
    this.#vector({ map: MAP_0F38, pp: PP_F3, opcode: 0x72 }, v, 0, x);
  }

  /** Every 32 bits of `v` = one of the 16 bits in the low half of `x`. */
  vwiden16(v: number, x: number): void {
    this.#vector({ map: MAP_0F38, pp: PP_66, opcode: 0x33 }, v, 0, x);
  }

  /** `v = x << bits`, each 32 bits. */
  vshl32(v: number, x: number, bits: number): void {
    this.#vector({ map: MAP_0F, pp: PP_66, opcode: 0x72 }, 6, v, x);
    this.#emit(bits);
  }

  /** `v = x | y`. */
  vor(v: number, x: number, y: number): void {
    this.#vector({ map: MAP_0F, pp: PP_66, opcode: 0xeb }, v, x, y);
  }

  /** Interleaves low or high 32-bit halves within each 128 bits. */
  vunpack32(v: number, x: number, y: number, half: "low" | "high"): void {
    const opcode = half === "low" ? 0x14 : 0x15;
    this.#vector({ map: MAP_0F, pp: PP_NONE, opcode }, v, x, y);
  }

  /** Interleaves low or high 64-bit halves within each 128 bits. */
  vunpack64(v: number, x: number, y: number, half: "low" | "high"): void {
    const opcode = half === "low" ? 0x14 : 0x15;
    const w = this.width === 512 ? 1 : 0; // VEX ignores it
    this.#vector({ map: MAP_0F, pp: PP_66, opcode, w }, v, x, y);
  }

  /** Picks two 128-bit quarters of x, then two of y; AVX-512. */
  vshuffle128(v: number, x: number, y: number, control: number): void {
    this.#vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x23 }, v, x, y);
    this.#emit(control);
  }

  /** Picks one 128-bit half each of x and y; AVX2. */
  vpermute128(v: number, x: number, y: number, control: number): void {
    this.#vector({ map: MAP_0F3A, pp: PP_66, opcode: 0x06 }, v, x, y);
    this.#emit(control);
  }

  /** Loads the lanes whose mask has its top bit; the others are 0; AVX2. */
  vmaskLoad(v: number, mask: number, from: Address): void {
    const op = { map: MAP_0F38, pp: PP_66, opcode: 0x2c };
    this.#vectorMemory(op, v, mask, from, 0);
  }

  /** Stores the lanes whose mask has its top bit; AVX2. */
  vmaskStore(v: number, mask: number, to: Address): void {
    const op = { map: MAP_0F38, pp: PP_66, opcode: 0x2e };
    this.#vectorMemory(op, v, mask, to, 0);
  }

  /** Mask register `k` = the low 16 bits of `r`, one of rax … rdi; AVX-512. */
  kmov(k: number, r: number): void {
    if (r > R.rdi) throw new RangeError(`kmov takes rax to rdi, not r${r}`);
    this.#emit(0xc5, 0xf8, 0x92, 0xc0 | k << 3 | r);
  }

  /** Clears the upper halves: code that uses SSE next is not slowed down. */
  vzeroupper(): void {
    this.#emit(0xc5, 0xf8, 0x77);
  }

  #emit(...bytes: number[]): void {
    this.#code.push(...bytes);
  }

  #imm32(value: number): void {
    this.#emit(
      value & 255,
      value >> 8 & 255,
      value >> 16 & 255,
      value >> 24 & 255,
    );
  }

  #patchJump(use: number, target: number): void {
    const distance = target - (use + 4);
    for (let i = 0; i < 4; i++) this.#code[use + i] = distance >> 8 * i & 255;
  }

  /** `opcode /r` with two registers. */
  #integer(opcode: number, reg: number, rm: number): void {
    this.#emit(0x48 | (reg >> 3) << 2 | rm >> 3, opcode);
    this.#emit(0xc0 | (reg & 7) << 3 | rm & 7);
  }

  /** `81 /extension imm32`. */
  #immediate(extension: number, r: number, imm: number): void {
    this.#emit(0x48 | r >> 3, 0x81, 0xc0 | extension << 3 | r & 7);
    this.#imm32(imm);
  }

  #rex(w: 0 | 1, reg: number, { base, index = 0 }: Address): void {
    const rex = 0x40 | w << 3 | (reg >> 3) << 2 | (index >> 3) << 1 |
      base >> 3;
    if (rex !== 0x40) this.#emit(rex);
  }

  /** ModRM, SIB and displacement; `scaled` divides an 8-bit displacement. */
  #memory(reg: number, address: Address, scaled: number): void {
    const { base, index, scale = 1, disp = 0 } = address;
    const short = disp / scaled;
    const fits = Number.isInteger(short) && short >= -128 && short < 128;
    // Without displacement, base rbp or r13 would mean something else.
    const mod = disp === 0 && (base & 7) !== R.rbp ? 0 : fits ? 1 : 2;
    const needsSib = index !== undefined || (base & 7) === R.rsp;
    this.#emit(mod << 6 | (reg & 7) << 3 | (needsSib ? 4 : base & 7));
    if (needsSib) {
      const ss = Math.log2(scale);
      this.#emit(ss << 6 | ((index ?? R.rsp) & 7) << 3 | base & 7);
    }
    if (mod === 1) this.#emit(short & 255);
    if (mod === 2) this.#imm32(disp);
  }

  #vector(op: VectorOp, reg: number, vvvv: number, rm: number): void {
    if (this.width === 256) this.#vex(op, reg, vvvv, rm >> 3 & 1, 0);
    else this.#evex(op, reg, vvvv, rm >> 3 & 1, rm >> 4 & 1, 0);
    this.#emit(0xc0 | (reg & 7) << 3 | rm & 7);
  }

  #vectorMemory(
    op: VectorOp,
    reg: number,
    vvvv: number,
    address: Address,
    mask: number,
  ): void {
    const { base, index = 0 } = address;
    if (this.width === 256) {
      this.#vex(op, reg, vvvv, base >> 3, index >> 3);
      this.#memory(reg, address, 1);
    } else {
      this.#evex(op, reg, vvvv, base >> 3, index >> 3, mask);
      this.#memory(reg, address, op.tuple ?? this.vectorBytes);
    }
  }

  /** Three-byte VEX prefix and opcode. */
  #vex(op: VectorOp, reg: number, vvvv: number, b: number, x: number): void {
    this.#emit(
      0xc4,
      (reg & 8 ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | op.map,
      (op.w ?? 0) << 7 | (~vvvv & 15) << 3 | 1 << 2 | op.pp,
      op.opcode,
    );
  }

  /** EVEX prefix and opcode. A mask zeroes, except where memory is written. */
  #evex(
    op: VectorOp,
    reg: number,
    vvvv: number,
    b: number,
    x: number,
    mask: number,
  ): void {
    const zeroing = mask > 0 && op !== MOVUPS_STORE ? 0x80 : 0;
    this.#emit(
      0x62,
      (reg & 8 ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) |
        (reg & 16 ? 0 : 0x10) | op.map,
      (op.w ?? 0) << 7 | (~vvvv & 15) << 3 | 4 | op.pp,
      zeroing | 2 << 5 | (vvvv & 16 ? 0 : 8) | mask,
      op.opcode,
    );
  }
}
