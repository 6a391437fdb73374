/**
 * How native kernels are entered and left, on every system.
 *
 * A kernel takes two pointers: the start of the shared memory and its
 * arguments, 32-bit words that hold offsets into that memory, counts and byte
 * strides. Inside, they are in rdi and rsi whatever the system passes.
 * Source: System V ABI for AMD64, section 3.2; Microsoft x64 calling
 * convention, https://learn.microsoft.com/cpp/build/x64-calling-convention.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { R } from "./encoding.ts";

/** The calling convention of the operating system. */
export type Abi = "sysv" | "win64";

/** Registers that a callee must give back as they were. */
const SAVED = [R.rbx, R.rbp, R.r12, R.r13, R.r14, R.r15];
/** Those that only Windows adds. */
const SAVED_WIN64 = [R.rdi, R.rsi];
/** Windows also wants xmm6 to xmm15 back, their low 128 bits. */
const SAVED_VECTORS = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/**
 * Emits a whole function around `body`, which may use every register but rsp.
 *
 * @param options.vectors False promises that `body` uses no vector registers,
 * so that the function runs where there are none.
 * @returns The position of its first instruction.
 */
export function emitFunction(
  asm: Assembler,
  { abi, vectors: usesVectors = true }: { abi: Abi; vectors?: boolean },
  body: () => void,
): number {
  const start = asm.position;
  const saved = abi === "win64" ? [...SAVED, ...SAVED_WIN64] : SAVED;
  // Whole vectors are saved, though only their low quarter matters: a call
  // does thousands of times more.
  const vectors = abi === "win64" && usesVectors ? SAVED_VECTORS : [];
  const frameBytes = vectors.length * asm.vectorBytes;
  for (const r of saved) asm.push(r);
  if (frameBytes > 0) asm.subImm(R.rsp, frameBytes);
  vectors.forEach((v, i) => {
    asm.vstore(v, { base: R.rsp, disp: i * asm.vectorBytes });
  });
  if (abi === "win64") {
    asm.mov(R.rdi, R.rcx);
    asm.mov(R.rsi, R.rdx);
  }
  body();
  // Before the saved vectors come back, whose upper halves callers ignore.
  if (usesVectors) asm.vzeroupper();
  vectors.forEach((v, i) => {
    asm.vload(v, { base: R.rsp, disp: i * asm.vectorBytes });
  });
  if (frameBytes > 0) asm.addImm(R.rsp, frameBytes);
  for (const r of saved.toReversed()) asm.pop(r);
  asm.ret();
  return start;
}
