/**
 * A quick test of the native kernels, before they are trusted with a run.
 *
 * Products at an odd size, through all packing kernels, with bias and
 * addition, against plain loops. Takes about a millisecond.
 *
 * @module
 */

import { bindNative, type NativeCall, type NativeCode } from "./native_call.ts";
import { BF16_KERNELS, KERNEL } from "./native_kernels.ts";
import { rowsAreRight } from "./self_test_rows.ts";
import { type Format, TILE_SHAPE } from "./tile_shape.ts";

/** Two f32 sums of `DEPTH` products below 1 each, in another order. */
const TOLERANCE = 1e-4;
const DEPTH = 37;

/** Whether the kernels compute what they should. */
export function selfTest(native: NativeCode): boolean {
  const { mr, nr, lanes } = TILE_SHAPE[native.width];
  // More than one strip and panel, the last ones with an odd part of a vector.
  const sizes = { M: mr + 3, N: nr + lanes + 1, K: DEPTH };
  const memory = new WebAssembly.Memory({
    initial: 4,
    maximum: 4,
    shared: true,
  });
  const call = bindNative(native, memory);
  const formats: Format[] = native.bf16 ? ["f32", "bf16"] : ["f32"];
  return geluIsRight(memory, call) && rowsAreRight(memory, call) &&
    formats.every((format) =>
      [false, true].every((trans) =>
        productIsRight(memory, call, { ...sizes, mr, nr, trans, format })
      )
    );
}

/** Both GELUs and their gradients, where they bend and far out. */
function geluIsRight(memory: WebAssembly.Memory, call: NativeCall): boolean {
  const f32 = new Float32Array(memory.buffer);
  const [args, x, dOut, out, dx, n] = [64, 1024, 2048, 3072, 4096, 64];
  for (let i = 0; i < n; i++) {
    f32[x / 4 + i] = (i - n / 2) / 4;
    f32[dOut / 4 + i] = 2 - i / n;
  }
  const forms = [
    [KERNEL.geluTanh, KERNEL.geluTanhBackward, geluByTanh],
    [KERNEL.geluExact, KERNEL.geluExactBackward, geluExact],
  ] as const;
  return forms.every(([forward, backward, gelu]) => {
    f32.fill(NaN, out / 4, dx / 4 + n + 1);
    const words = new Uint32Array(memory.buffer, args);
    words.set([out, x, 0, n]);
    call(forward, args);
    words.set([dx, x, dOut, n]);
    call(backward, args);
    for (let i = 0; i < n; i++) {
      const { value, slope } = gelu(f32[x / 4 + i]);
      const difference = Math.abs(value - f32[out / 4 + i]) +
        Math.abs(slope * f32[dOut / 4 + i] - f32[dx / 4 + i]);
      if (!(difference < TOLERANCE)) return false; // NaN is no agreement
    }
    return Number.isNaN(f32[out / 4 + n]) && Number.isNaN(f32[dx / 4 + n]);
  });
}

function geluByTanh(x: number): { value: number; slope: number } {
  const scale = Math.sqrt(2 / Math.PI);
  const tanh = Math.tanh(scale * (x + 0.044715 * x ** 3));
  const slope = (1 + tanh) / 2 +
    x / 2 * (1 - tanh ** 2) * scale * (1 + 0.134145 * x ** 2);
  return { value: x / 2 * (1 + tanh), slope };
}

/** The normal distribution by the sum of its density in small steps. */
function geluExact(x: number): { value: number; slope: number } {
  const density = (t: number) => Math.exp(-t * t / 2) / Math.sqrt(2 * Math.PI);
  const steps = 200;
  let cdf = 0.5;
  for (let i = 0; i < steps; i++) {
    cdf += density((i + 0.5) / steps * x) * x / steps;
  }
  return { value: x * cdf, slope: cdf + x * density(x) };
}

interface Product {
  M: number;
  N: number;
  K: number;
  mr: number;
  nr: number;
  /** Whether both factors are stored transposed. */
  trans: boolean;
  /** What the packed factors are rounded to. */
  format: Format;
}

function productIsRight(
  memory: WebAssembly.Memory,
  call: NativeCall,
  { M, N, K, mr, nr, trans, format }: Product,
): boolean {
  const f32 = new Float32Array(memory.buffer);
  const u32 = new Uint32Array(memory.buffer);
  // 1. Addresses: arguments, the mask table, and then the matrices.
  let end = 1024;
  const room = (elements: number) => {
    const at = end;
    end += Math.ceil(elements / 16 + 1) * 64;
    return at;
  };
  const args = 64, masks = 256;
  u32.fill(-1 >>> 0, masks / 4, masks / 4 + 16);
  u32.fill(0, masks / 4 + 16, masks / 4 + 32);
  const a = room(M * K), b = room(K * N), bias = room(N), add = room(M * N);
  const aPack = room(Math.ceil(M / mr) * mr * K);
  const bPack = room(Math.ceil(N / nr) * nr * K), out = room(M * N);
  for (let i = a / 4; i < aPack / 4; i++) f32[i] = Math.sin(i);
  f32.fill(NaN, aPack / 4, end / 4);

  // 2. The product, as matmul makes it.
  const run = (kernel: number, words: number[]) => {
    u32.set(words, args / 4);
    call(format === "bf16" ? BF16_KERNELS + kernel : kernel, args);
  };
  const depth = format === "bf16" ? Math.ceil(K / 2) : K;
  const packA = trans ? KERNEL.packACopy : KERNEL.packATranspose;
  const packB = trans ? KERNEL.packBTranspose : KERNEL.packBCopy;
  run(packA, [aPack, a, 4 * (trans ? M : K), M, K, masks]);
  run(packB, [bPack, b, 4 * (trans ? K : N), N, K, masks]);
  const result = [out, 4 * N, add, bias, masks];
  run(KERNEL.gemmBlock, [
    ...[aPack, 4 * mr, bPack, 4 * nr * depth, 4 * nr, M, N, depth],
    ...result,
  ]);
  if (!trans && format === "f32") {
    // Factors that are not packed must give the very same.
    const packed = f32.slice(out / 4, out / 4 + M * N);
    f32.fill(NaN, out / 4, out / 4 + M * N);
    run(KERNEL.gemmRows, [a, 4 * K, b, 4 * nr, 4 * N, M, N, K, ...result]);
    if (packed.some((x, i) => x !== f32[out / 4 + i])) return false;
  }

  // 3. The same by plain loops; nothing is written behind the result.
  return isProduct(memory, { M, N, K, trans, format }, {
    ...{ a, b, bias, add, out },
  }) && Number.isNaN(f32[out / 4 + M * N]);
}

/** Whether `out` is the product, as plain loops make it. */
function isProduct(
  { buffer }: WebAssembly.Memory,
  { M, N, K, trans, format }: Omit<Product, "mr" | "nr">,
  at: Record<"a" | "b" | "bias" | "add" | "out", number>,
): boolean {
  const f32 = new Float32Array(buffer), u32 = new Uint32Array(buffer);
  const rounded = (word: number) =>
    format === "bf16" ? toBf16(u32[word]) : f32[word];
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = f32[at.bias / 4 + j] + f32[at.add / 4 + i * N + j];
      for (let k = 0; k < K; k++) {
        sum += rounded(at.a / 4 + (trans ? k * M + i : i * K + k)) *
          rounded(at.b / 4 + (trans ? j * K + k : k * N + j));
      }
      const difference = Math.abs(sum - f32[at.out / 4 + i * N + j]);
      if (!(difference < TOLERANCE)) return false; // NaN is no agreement
    }
  }
  return true;
}

/** The f32 with these bits, rounded to the nearest bf16, ties to even. */
function toBf16(bits: number): number {
  const half = 0x7fff + (bits >>> 16 & 1);
  const kept = (bits + half & 0xffff0000) >>> 0;
  return new Float32Array(Uint32Array.of(kept).buffer)[0];
}
