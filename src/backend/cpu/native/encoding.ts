/**
 * How x86-64 instructions are written as bytes: prefixes, operands, jumps.
 *
 * Registers are numbers as the processor counts them. Vector instructions come
 * in two encodings: VEX (`ymm`, AVX2) and EVEX (`zmm`, AVX-512), chosen by the
 * {@linkcode VectorWidth} given to the constructor. Jumps go to labels and are
 * always 32 bits wide, which costs nothing that can be measured. What the
 * instructions are called is in integer_assembler.ts and assembler.ts.
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
  /** A place in the code instead of all that: `[rip + distance]`. */
  readonly label?: Label;
}

/** A vector register by number, or a vector in memory. */
export type Operand = number | Address;

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
export const MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3;
/** Mandatory prefixes of VEX and EVEX: none, 66, F3, F2. */
export const PP_NONE = 0, PP_66 = 1, PP_F3 = 2, PP_F2 = 3;

/** What tells one vector instruction from another. */
export interface VectorOp {
  map: number;
  pp: number;
  opcode: number;
  /** The W bit: 1 for instructions on 64-bit elements. */
  w?: 0 | 1;
  /** Bytes by which EVEX scales an 8-bit displacement; the vector's size. */
  tuple?: number;
  /** Whether a mask leaves the other lanes as they are: where they are 0 else. */
  merges?: boolean;
}

/** Collects machine code: what instructions are made of; see the module. */
export class Encoder {
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

  /** Fills up with zeros to a multiple of `bytes`. */
  alignTo(bytes: number): void {
    while (this.#code.length % bytes !== 0) this.emit(0);
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
    for (const use of label.uses) this.#patch(use, label.position);
  }

  /** A label bound here: the head of a loop. */
  here(): Label {
    return { position: this.#code.length, uses: [] };
  }

  /** Jumps, always or on a condition. */
  jump(label: Label, condition?: number): void {
    if (condition === undefined) this.emit(0xe9);
    else this.emit(0x0f, 0x80 | condition);
    this.#distance(label);
  }

  protected emit(...bytes: number[]): void {
    this.#code.push(...bytes);
  }

  protected imm32(value: number): void {
    this.emit(
      value & 255,
      value >> 8 & 255,
      value >> 16 & 255,
      value >> 24 & 255,
    );
  }

  /** 32 bits: how far it is from behind them, the instruction's end, to it. */
  #distance(label: Label): void {
    const use = this.#code.length;
    this.emit(0, 0, 0, 0);
    if (label.position === null) label.uses.push(use);
    else this.#patch(use, label.position);
  }

  #patch(use: number, target: number): void {
    const distance = target - (use + 4);
    for (let i = 0; i < 4; i++) this.#code[use + i] = distance >> 8 * i & 255;
  }

  /** `opcode /r` with two registers. */
  protected integer(opcode: number, reg: number, rm: number): void {
    this.emit(0x48 | (reg >> 3) << 2 | rm >> 3, opcode);
    this.emit(0xc0 | (reg & 7) << 3 | rm & 7);
  }

  /** `81 /extension imm32`. */
  protected immediate(extension: number, r: number, imm: number): void {
    this.emit(0x48 | r >> 3, 0x81, 0xc0 | extension << 3 | r & 7);
    this.imm32(imm);
  }

  protected rex(w: 0 | 1, reg: number, { base, index = 0 }: Address): void {
    const rex = 0x40 | w << 3 | (reg >> 3) << 2 | (index >> 3) << 1 |
      base >> 3;
    if (rex !== 0x40) this.emit(rex);
  }

  /** ModRM, SIB and displacement; `scaled` divides an 8-bit displacement. */
  protected memory(reg: number, address: Address, scaled: number): void {
    const { base, index, scale = 1, disp = 0, label } = address;
    if (label) {
      this.emit((reg & 7) << 3 | 5);
      this.#distance(label);
      return;
    }
    const short = disp / scaled;
    const fits = Number.isInteger(short) && short >= -128 && short < 128;
    // Without displacement, base rbp or r13 would mean something else.
    const mod = disp === 0 && (base & 7) !== R.rbp ? 0 : fits ? 1 : 2;
    const needsSib = index !== undefined || (base & 7) === R.rsp;
    this.emit(mod << 6 | (reg & 7) << 3 | (needsSib ? 4 : base & 7));
    if (needsSib) {
      const ss = Math.log2(scale);
      this.emit(ss << 6 | ((index ?? R.rsp) & 7) << 3 | base & 7);
    }
    if (mod === 1) this.emit(short & 255);
    if (mod === 2) this.imm32(disp);
  }

  /** A mask zeroes lanes of the result; AVX-512. */
  protected vector(
    op: VectorOp,
    reg: number,
    vvvv: number,
    rm: Operand,
    mask = 0,
  ): void {
    if (typeof rm === "object") {
      this.#vectorMemory(op, reg, vvvv, rm, mask);
      return;
    }
    if (this.width === 256) this.#vex(op, reg, vvvv, rm >> 3 & 1, 0);
    else this.#evex(op, reg, vvvv, rm >> 3 & 1, rm >> 4 & 1, mask);
    this.emit(0xc0 | (reg & 7) << 3 | rm & 7);
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
      this.memory(reg, address, 1);
    } else {
      this.#evex(op, reg, vvvv, base >> 3, index >> 3, mask);
      this.memory(reg, address, op.tuple ?? this.vectorBytes);
    }
  }

  /** Three-byte VEX prefix and opcode. */
  #vex(op: VectorOp, reg: number, vvvv: number, b: number, x: number): void {
    this.emit(
      0xc4,
      (reg & 8 ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | op.map,
      (op.w ?? 0) << 7 | (~vvvv & 15) << 3 | 1 << 2 | op.pp,
      op.opcode,
    );
  }

  /** EVEX prefix and opcode. */
  #evex(
    op: VectorOp,
    reg: number,
    vvvv: number,
    b: number,
    x: number,
    mask: number,
  ): void {
    const zeroing = mask > 0 && !op.merges ? 0x80 : 0;
    this.emit(
      0x62,
      (reg & 8 ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) |
        (reg & 16 ? 0 : 0x10) | op.map,
      (op.w ?? 0) << 7 | (~vvvv & 15) << 3 | 4 | op.pp,
      zeroing | 2 << 5 | (vvvv & 16 ? 0 : 8) | mask,
      op.opcode,
    );
  }
}
