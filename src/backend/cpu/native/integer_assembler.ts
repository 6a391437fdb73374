/**
 * The integer instructions and jumps that the native kernels use.
 *
 * All are 64 bits wide except where the name says 32.
 *
 * @module
 */

import { type Address, Encoder } from "./encoding.ts";

/** Integer instructions; the vector ones are in assembler.ts. */
export class IntegerAssembler extends Encoder {
  push(r: number): void {
    if (r & 8) this.emit(0x41);
    this.emit(0x50 | r & 7);
  }

  pop(r: number): void {
    if (r & 8) this.emit(0x41);
    this.emit(0x58 | r & 7);
  }

  ret(): void {
    this.emit(0xc3);
  }

  /** `r = s`. */
  mov(r: number, s: number): void {
    this.integer(0x89, s, r);
  }

  /** `r = imm`, 32 bits, zero-extended. */
  movImm(r: number, imm: number): void {
    if (r & 8) this.emit(0x41);
    this.emit(0xb8 | r & 7);
    this.imm32(imm);
  }

  /** `r` = 32 bits at `from`, zero-extended. */
  load32(r: number, from: Address): void {
    this.rex(0, r, from);
    this.emit(0x8b);
    this.memory(r, from, 1);
  }

  /** 32 bits at `to` = low half of `r`. */
  store32(r: number, to: Address): void {
    this.rex(0, r, to);
    this.emit(0x89);
    this.memory(r, to, 1);
  }

  /** `r` = the address `from`. */
  lea(r: number, from: Address): void {
    this.rex(1, r, from);
    this.emit(0x8d);
    this.memory(r, from, 1);
  }

  /** Brings the cache line at `from` to all caches. */
  prefetch(from: Address): void {
    this.rex(0, 0, from);
    this.emit(0x0f, 0x18);
    this.memory(1, from, 1);
  }

  /** The same, to be written: no other core keeps it. */
  prefetchToWrite(from: Address): void {
    this.rex(0, 0, from);
    this.emit(0x0f, 0x0d);
    this.memory(1, from, 1);
  }

  /** `r += s`. */
  add(r: number, s: number): void {
    this.integer(0x01, s, r);
  }

  /** `r -= s`. */
  sub(r: number, s: number): void {
    this.integer(0x29, s, r);
  }

  /** `r *= s`. */
  imul(r: number, s: number): void {
    this.emit(0x48 | (r >> 3) << 2 | s >> 3, 0x0f, 0xaf);
    this.emit(0xc0 | (r & 7) << 3 | s & 7);
  }

  /** Compares `r` with `s`, for a jump. */
  cmp(r: number, s: number): void {
    this.integer(0x39, s, r);
  }

  /** Compares `r` with 0, for a jump. */
  testZero(r: number): void {
    this.integer(0x85, r, r);
  }

  /** `r += imm`, 32 bits with sign. */
  addImm(r: number, imm: number): void {
    this.immediate(0, r, imm);
  }

  /** `r -= imm`. */
  subImm(r: number, imm: number): void {
    this.immediate(5, r, imm);
  }

  /** `r &= imm`. */
  andImm(r: number, imm: number): void {
    this.immediate(4, r, imm);
  }

  /** Compares `r` with `imm`. */
  cmpImm(r: number, imm: number): void {
    this.immediate(7, r, imm);
  }

  /** `r <<= bits`. */
  shlImm(r: number, bits: number): void {
    this.emit(0x48 | r >> 3, 0xc1, 0xe0 | r & 7, bits);
  }

  /** `r >>= bits`, filling with zeros. */
  shrImm(r: number, bits: number): void {
    this.emit(0x48 | r >> 3, 0xc1, 0xe8 | r & 7, bits);
  }

  /** `r <<= cl`. */
  shlByCl(r: number): void {
    this.emit(0x48 | r >> 3, 0xd3, 0xe0 | r & 7);
  }

  /** `r = condition ? s : r`. */
  cmov(condition: number, r: number, s: number): void {
    this.emit(0x48 | (r >> 3) << 2 | s >> 3, 0x0f, 0x40 | condition);
    this.emit(0xc0 | (r & 7) << 3 | s & 7);
  }

  /** Identifies the processor: eax, ebx, ecx, edx by eax and ecx. */
  cpuid(): void {
    this.emit(0x0f, 0xa2);
  }

  /** Which register states the system saves: edx:eax, by ecx. */
  xgetbv(): void {
    this.emit(0x0f, 0x01, 0xd0);
  }
}
