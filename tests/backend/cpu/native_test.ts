import assert from "node:assert/strict";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { Assembler } from "../../../src/backend/cpu/native/assembler.ts";
import { decodeFeatures } from "../../../src/backend/cpu/native/cpu_features.ts";
import {
  CONDITION,
  R,
  type VectorWidth,
} from "../../../src/backend/cpu/native/encoding.ts";
import {
  assembleKernels,
  BF16_KERNELS,
  KERNEL,
  loadNative,
} from "../../../src/backend/cpu/native/native_kernels.ts";
import { selfTest } from "../../../src/backend/cpu/native/self_test.ts";
import { saySkipped } from "../../_skipped.ts";
import { canRun } from "../../base/_helpers.ts";

/** What GNU binutils reads in `code`: one instruction per line. */
async function disassemble(code: Uint8Array): Promise<string[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, code);
    const { stdout } = await new Deno.Command("objdump", {
      args: ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", path],
    }).output();
    return new TextDecoder().decode(stdout).split("\n")
      // `  1b:\t44 8b 6e 1c    \tmov    r13d,DWORD PTR [rsi+0x1c]`
      .map((line) => line.split("\t")[2])
      .filter((text) => text !== undefined)
      .map((text) => text.replace(/\s+/g, " ").trim());
  } finally {
    await Deno.remove(path);
  }
}

const hasObjdump = await canRun("objdump", ["--version"]);
if (!hasObjdump) saySkipped("skipped: no objdump (GNU binutils) here");

const { rax, rcx, rdx, rbp, rsp, rsi, r8, r9, r12, r13, r15 } = R;

/** Instructions with what objdump calls them. */
const INTEGER: [emit: (asm: Assembler) => void, text: string][] = [
  [(a) => a.push(rbp), "push rbp"],
  [(a) => a.push(r12), "push r12"],
  [(a) => a.pop(r15), "pop r15"],
  [(a) => a.mov(r8, rcx), "mov r8,rcx"],
  [(a) => a.mov(rdx, r13), "mov rdx,r13"],
  [(a) => a.movImm(r9, 0x12345678), "mov r9d,0x12345678"],
  [
    (a) => a.load32(r13, { base: rsi, disp: 28 }),
    "mov r13d,DWORD PTR [rsi+0x1c]",
  ],
  [(a) => a.load32(rax, { base: r13 }), "mov eax,DWORD PTR [r13+0x0]"],
  [(a) => a.load32(rax, { base: r12 }), "mov eax,DWORD PTR [r12]"],
  [(a) => a.store32(r8, { base: rsp, disp: 8 }), "mov DWORD PTR [rsp+0x8],r8d"],
  [
    (a) => a.lea(r9, { base: r8, index: r12, scale: 4, disp: 1000 }),
    "lea r9,[r8+r12*4+0x3e8]",
  ],
  [(a) => a.add(r13, rax), "add r13,rax"],
  [(a) => a.sub(rax, r13), "sub rax,r13"],
  [(a) => a.imul(r8, rdx), "imul r8,rdx"],
  [(a) => a.cmp(rcx, r9), "cmp rcx,r9"],
  [(a) => a.testZero(r15), "test r15,r15"],
  [(a) => a.addImm(r12, 128), "add r12,0x80"],
  [(a) => a.subImm(rax, 1), "sub rax,0x1"],
  [(a) => a.andImm(rcx, 0x8000000), "and rcx,0x8000000"],
  [(a) => a.cmpImm(r9, 16), "cmp r9,0x10"],
  [(a) => a.shlImm(rdx, 7), "shl rdx,0x7"],
  [(a) => a.shrImm(r8, 16), "shr r8,0x10"],
  [(a) => a.shlByCl(rdx), "shl rdx,cl"],
  [
    (a) => a.prefetch({ base: r8, index: r12, scale: 8, disp: 52 }),
    "prefetcht0 BYTE PTR [r8+r12*8+0x34]",
  ],
  [(a) => a.prefetch({ base: rax }), "prefetcht0 BYTE PTR [rax]"],
  [(a) => a.prefetchToWrite({ base: r9 }), "prefetchw BYTE PTR [r9]"],
  [(a) => a.cmov(CONDITION.above, rcx, rdx), "cmova rcx,rdx"],
  [(a) => a.cmov(CONDITION.less, r9, r12), "cmovl r9,r12"],
  [(a) => a.cpuid(), "cpuid"],
  [(a) => a.xgetbv(), "xgetbv"],
  [(a) => a.vzeroupper(), "vzeroupper"],
  [(a) => a.ret(), "ret"],
];

const VECTOR: Record<VectorWidth, typeof INTEGER> = {
  256: [
    [
      (a) => a.vload(13, { base: r8, disp: 32 }),
      "vmovups ymm13,YMMWORD PTR [r8+0x20]",
    ],
    [
      (a) => a.vload(2, { base: rax, index: rdx, scale: 4, disp: 32 }),
      "vmovups ymm2,YMMWORD PTR [rax+rdx*4+0x20]",
    ],
    [(a) => a.vstore(3, { base: r12 }), "vmovups YMMWORD PTR [r12],ymm3"],
    [
      (a) => a.vbroadcast(14, { base: r13, disp: 4 }),
      "vbroadcastss ymm14,DWORD PTR [r13+0x4]",
    ],
    [(a) => a.vzero(9), "vxorps ymm9,ymm9,ymm9"],
    [(a) => a.vmov(9, 12), "vmovaps ymm9,ymm12"],
    [(a) => a.vsqrt(9, 12), "vsqrtps ymm9,ymm12"],
    [
      (a) => a.vadd(1, 9, { base: r8, index: rax, scale: 4 }),
      "vaddps ymm1,ymm9,YMMWORD PTR [r8+rax*4]",
    ],
    [(a) => a.vand(1, 9, 12), "vandps ymm1,ymm9,ymm12"],
    [(a) => a.vblend(1, 9, 12, 15), "vblendvps ymm1,ymm9,ymm12,ymm15"],
    [(a) => a.vpermute32(9, 12, 0x4e), "vpermilps ymm9,ymm12,0x4e"],
    [
      (a) => a.vstoreFirst(9, { base: r12, disp: 4 }),
      "vmovss DWORD PTR [r12+0x4],xmm9",
    ],
    [(a) => a.vadd(1, 9, 12), "vaddps ymm1,ymm9,ymm12"],
    [(a) => a.vfma(11, 14, 3), "vfmadd231ps ymm11,ymm14,ymm3"],
    [(a) => a.vfmaThen(11, 14, 3), "vfmadd213ps ymm11,ymm14,ymm3"],
    [(a) => a.vsub(1, 9, 12), "vsubps ymm1,ymm9,ymm12"],
    [(a) => a.vmul(1, 9, 12), "vmulps ymm1,ymm9,ymm12"],
    [(a) => a.vdiv(1, 9, 12), "vdivps ymm1,ymm9,ymm12"],
    [(a) => a.vmin(1, 9, 12), "vminps ymm1,ymm9,ymm12"],
    [(a) => a.vmax(1, 9, 12), "vmaxps ymm1,ymm9,ymm12"],
    [(a) => a.vaddInt32(1, 9, 12), "vpaddd ymm1,ymm9,ymm12"],
    [(a) => a.vgreaterInt32(15, 9, 12), "vpcmpgtd ymm15,ymm9,ymm12"],
    [(a) => a.vshl32(9, 12, 23), "vpslld ymm9,ymm12,0x17"],
    [(a) => a.vunpack32(8, 1, 9, "high"), "vunpckhps ymm8,ymm1,ymm9"],
    [(a) => a.vunpack64(2, 8, 10, "low"), "vunpcklpd ymm2,ymm8,ymm10"],
    [(a) => a.vpermute128(8, 1, 9, 0x31), "vperm2f128 ymm8,ymm1,ymm9,0x31"],
    [
      (a) => a.vmaskLoad(5, 15, { base: r9 }),
      "vmaskmovps ymm5,ymm15,YMMWORD PTR [r9]",
    ],
    [
      (a) => a.vmaskStore(5, 12, { base: rsi, disp: 64 }),
      "vmaskmovps YMMWORD PTR [rsi+0x40],ymm12,ymm5",
    ],
  ],
  512: [
    [
      (a) => a.vload(29, { base: r8, disp: 64 }),
      "vmovups zmm29,ZMMWORD PTR [r8+0x40]",
    ],
    [
      (a) => a.vload(7, { base: r13, disp: 60 }, 3),
      "vmovups zmm7{k3}{z},ZMMWORD PTR [r13+0x3c]",
    ],
    [
      (a) => a.vstore(17, { base: r12, disp: 128 }, 1),
      "vmovups ZMMWORD PTR [r12+0x80]{k1},zmm17",
    ],
    [
      (a) => a.vbroadcast(31, { base: r9, disp: 52 }),
      "vbroadcastss zmm31,DWORD PTR [r9+0x34]",
    ],
    [(a) => a.vzero(27), "vpxord zmm27,zmm27,zmm27"],
    [(a) => a.vmov(19, 30), "vmovaps zmm19,zmm30"],
    [(a) => a.vmovMasked(7, 9, 1), "vmovaps zmm7{k1}{z},zmm9"],
    [(a) => a.vsqrt(19, 30), "vsqrtps zmm19,zmm30"],
    [
      (a) => a.vfmaThen(1, 19, { base: r13, disp: 64 }),
      "vfmadd213ps zmm1,zmm19,ZMMWORD PTR [r13+0x40]",
    ],
    [(a) => a.vblend(1, 9, 12, 1), "vblendmps zmm1{k1},zmm9,zmm12"],
    [(a) => a.vpermute32(19, 30, 0x4e), "vpermilps zmm19,zmm30,0x4e"],
    [
      (a) => a.vstoreFirst(9, { base: r12, disp: 4 }),
      "vmovss DWORD PTR [r12+0x4],xmm9",
    ],
    [(a) => a.vadd(1, 19, 30), "vaddps zmm1,zmm19,zmm30"],
    [(a) => a.vfma(27, 31, 29), "vfmadd231ps zmm27,zmm31,zmm29"],
    [(a) => a.vfmaThen(7, 31, 9), "vfmadd213ps zmm7,zmm31,zmm9"],
    [(a) => a.vsub(1, 19, 30), "vsubps zmm1,zmm19,zmm30"],
    [(a) => a.vmul(17, 19, 3), "vmulps zmm17,zmm19,zmm3"],
    [(a) => a.vdiv(1, 19, 30), "vdivps zmm1,zmm19,zmm30"],
    [(a) => a.vmin(1, 19, 30), "vminps zmm1,zmm19,zmm30"],
    [(a) => a.vmax(17, 9, 30), "vmaxps zmm17,zmm9,zmm30"],
    [(a) => a.vaddInt32(1, 19, 30), "vpaddd zmm1,zmm19,zmm30"],
    [(a) => a.vgreaterInt32(1, 19, 30), "vpcmpgtd k1,zmm19,zmm30"],
    [(a) => a.vunpack32(16, 1, 9, "low"), "vunpcklps zmm16,zmm1,zmm9"],
    [(a) => a.vunpack64(2, 24, 26, "high"), "vunpckhpd zmm2,zmm24,zmm26"],
    [(a) => a.vshuffle128(20, 3, 7, 0x88), "vshuff32x4 zmm20,zmm3,zmm7,0x88"],
    [(a) => a.kmov(2, rdx), "kmovw k2,edx"],
    [(a) => a.vdpbf16(27, 31, 29), "vdpbf16ps zmm27,zmm31,zmm29"],
    [
      (a) => a.vcvtTwoToBf16(3, 17, 16),
      "vcvtne2ps2bf16 zmm3,zmm17,zmm16",
    ],
    [(a) => a.vcvtToBf16(17, 30), "vcvtneps2bf16 ymm17,zmm30"],
    [(a) => a.vwiden16(30, 9), "vpmovzxwd zmm30,ymm9"],
    [(a) => a.vshl32(18, 5, 16), "vpslld zmm18,zmm5,0x10"],
    [(a) => a.vor(20, 3, 18), "vpord zmm20,zmm3,zmm18"],
  ],
};

for (const width of [256, 512] as const) {
  Deno.test({
    name: `Assembler(${width}) writes what objdump reads`,
    ignore: !hasObjdump,
    async fn() {
      const table = [...INTEGER, ...VECTOR[width]];
      const asm = new Assembler(width);
      for (const [emit] of table) emit(asm);
      assert.deepEqual(
        await disassemble(asm.code),
        table.map(([, text]) => text),
      );
    },
  });

  for (const abi of ["sysv", "win64"] as const) {
    Deno.test({
      name: `assembleKernels(${width}, ${abi}) is all valid instructions`,
      ignore: !hasObjdump,
      async fn() {
        const { code, starts, end } = assembleKernels(width, abi);
        const lines = await disassemble(code.slice(0, end));
        assert.deepEqual(lines.filter((line) => line.includes("(bad)")), []);
        assert.equal(
          lines.filter((line) => line === "ret").length,
          starts.length,
        );
        // What a Windows caller expects back: xmm6 is the first of ten.
        const saved = lines.some((line) => /PTR \[rsp\],.mm6$/.test(line));
        assert.equal(saved, abi === "win64");
      },
    });
  }
}

Deno.test("Assembler resolves jumps forward and back", () => {
  const asm = new Assembler(256);
  const end = asm.label(), start = asm.here();
  asm.jump(end, CONDITION.equal);
  asm.jump(start);
  asm.bind(end);
  // je +5 (over the 5 bytes of the jmp); jmp -11 (back over both)
  assert.deepEqual(
    [...asm.code],
    [0x0f, 0x84, 5, 0, 0, 0, 0xe9, 0xf5, 0xff, 0xff, 0xff],
  );
});

Deno.test("decodeFeatures() wants the processor's and the system's consent", () => {
  const fmaOsxsaveAvx = 1 << 12 | 1 << 27 | 1 << 28;
  const avx2 = 1 << 5, avx512 = 1 << 16, bf16 = 1 << 5;
  const features = (...words: number[]) =>
    Object.values(decodeFeatures(Uint32Array.from(words)));
  const [ymm, zmm] = [0b111, 0b11100111];
  assert.deepEqual(features(0, 0, 0, 0), [false, false, false]);
  assert.deepEqual(
    features(fmaOsxsaveAvx, ymm, avx2, 0),
    [true, false, false],
  );
  assert.deepEqual(
    features(fmaOsxsaveAvx, zmm, avx2 | avx512, bf16),
    [true, true, true],
  );
  assert.deepEqual(
    features(fmaOsxsaveAvx, ymm, avx2 | avx512, bf16),
    [true, false, false],
    "the system does not save zmm registers",
  );
  assert.deepEqual(
    features(fmaOsxsaveAvx & ~(1 << 12), ymm, avx2, 0),
    [false, false, false],
    "no fused multiply-add",
  );
});

const { native } = loadKernels().code;
const widths = [256, 512].filter((width) => native && width <= native.width);
if (!native) saySkipped("skipped: no native kernels on this machine");

for (const width of widths as VectorWidth[]) {
  Deno.test(`selfTest() passes good kernels and finds wrong ones (${width})`, () => {
    const good = loadNative(width);
    assert.equal(selfTest(good), true);
    // Another kernel in its place is wrong in a way that does no harm.
    for (
      const [put, instead] of [
        [KERNEL.packATranspose, KERNEL.packACopy],
        [KERNEL.packBCopy, KERNEL.packACopy],
        [KERNEL.geluTanhBackward, KERNEL.geluTanh],
        [KERNEL.geluExact, KERNEL.geluTanh],
        [KERNEL.rmsNorm, KERNEL.layerNorm],
        [KERNEL.rmsNormBackward, KERNEL.layerNormBackward],
        [KERNEL.gemmRows, KERNEL.gemmBlock],
        ...good.bf16
          ? [
            [BF16_KERNELS + KERNEL.packBCopy, KERNEL.packBCopy],
            [BF16_KERNELS + KERNEL.gemmBlock, KERNEL.gemmBlock],
          ]
          : [],
      ]
    ) {
      const addresses = [...good.addresses];
      addresses[put] = good.addresses[instead];
      assert.equal(selfTest({ ...good, addresses }), false);
    }
  });
}

Deno.test("loadKernels() says why there is no native code", () => {
  const { label, noNative } = loadKernels({ gemm: "wasm" });
  assert.match(label, /^wasm/);
  assert.equal(noNative, "not asked for");
});
