/**
 * What the processor can do and the system allows, asked by machine code.
 *
 * An instruction set is there only if the processor has it (CPUID) and the
 * system saves its registers when it switches threads (XGETBV).
 * Source: Intel SDM volume 1, sections 14.3 (AVX) and 15.2 (AVX-512).
 *
 * @module
 */

import { Assembler } from "./assembler.ts";
import { type Abi, emitFunction } from "./calling.ts";
import { CONDITION, R } from "./encoding.ts";
import { makeExecutable } from "./executable_memory.ts";

/** Instruction sets that the kernels have code for. */
export interface CpuFeatures {
  /** AVX2 with fused multiply-add. */
  readonly avx2: boolean;
  /** AVX-512 F. */
  readonly avx512: boolean;
  /** `vdpbf16ps` on 512-bit vectors. */
  readonly avx512Bf16: boolean;
}

/** Words that the code below writes, in order. */
const WORDS = { leaf1Ecx: 0, xcr0: 1, leaf7Ebx: 2, leaf7Sub1Eax: 3 };

/** Bits of CPUID leaf 1 ecx. */
const FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28;
/** Bits of leaf 7 ebx, and of its subleaf 1 eax. */
const AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512_BF16 = 1 << 5;
/** Bits of XCR0: SSE and AVX state; opmask, upper zmm halves, zmm16-31. */
const YMM_STATE = 0b110, ZMM_STATE = 0b1110_0110;
/** Of an older processor, which answers leaf 7 with something else. */
const LEAF_7 = 7;

/**
 * Asks the processor that runs this.
 *
 * @throws {Error} If this is not x86-64, or code cannot be made executable.
 */
export function readCpuFeatures(abi: Abi): CpuFeatures {
  if (Deno.build.arch !== "x86_64") {
    throw new Error(`the processor is ${Deno.build.arch}, not x86-64`);
  }
  const address = makeExecutable(featureCode(abi));
  const pointer = Deno.UnsafePointer.create(address);
  const words = new Uint32Array(4);
  new Deno.UnsafeFnPointer(
    pointer as Deno.PointerObject<never>,
    { parameters: ["usize", "buffer"], result: "void" },
  ).call(0n, words);
  return decodeFeatures(words);
}

/** Reads the words that the code wrote. Exported for its test. */
export function decodeFeatures(words: Uint32Array): CpuFeatures {
  const has = (word: keyof typeof WORDS, bits: number) =>
    (words[WORDS[word]] & bits) === bits;
  const avx2 = has("leaf1Ecx", FMA | OSXSAVE | AVX) && has("leaf7Ebx", AVX2) &&
    has("xcr0", YMM_STATE);
  const avx512 = avx2 && has("leaf7Ebx", AVX512F) && has("xcr0", ZMM_STATE);
  const avx512Bf16 = avx512 && has("leaf7Sub1Eax", AVX512_BF16);
  return { avx2, avx512, avx512Bf16 };
}

/** Code that writes {@linkcode WORDS} to the second argument; no vectors. */
function featureCode(abi: Abi): Uint8Array<ArrayBuffer> {
  const asm = new Assembler(256);
  const put = (register: number, word: keyof typeof WORDS) =>
    asm.store32(register, { base: R.rsi, disp: 4 * WORDS[word] });
  emitFunction(asm, { abi, vectors: false }, () => {
    const done = asm.label(), noXgetbv = asm.label();
    asm.movImm(R.rax, 1);
    asm.movImm(R.rcx, 0);
    asm.cpuid();
    put(R.rcx, "leaf1Ecx");
    asm.andImm(R.rcx, OSXSAVE);
    asm.jump(noXgetbv, CONDITION.equal);
    asm.movImm(R.rcx, 0);
    asm.xgetbv();
    put(R.rax, "xcr0");
    asm.bind(noXgetbv);
    asm.movImm(R.rax, 0);
    asm.cpuid();
    asm.cmpImm(R.rax, LEAF_7);
    asm.jump(done, CONDITION.below);
    asm.movImm(R.rax, LEAF_7);
    asm.movImm(R.rcx, 0);
    asm.cpuid();
    put(R.rbx, "leaf7Ebx");
    asm.movImm(R.rax, LEAF_7);
    asm.movImm(R.rcx, 1);
    asm.cpuid();
    put(R.rax, "leaf7Sub1Eax");
    asm.bind(done);
  });
  return asm.code;
}
