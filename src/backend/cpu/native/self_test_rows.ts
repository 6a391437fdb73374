/**
 * The part of the self-test about rows: softmax, norms and cross entropy with
 * their gradients, against plain loops in double precision.
 *
 * @module
 */

import type { NativeCall } from "./native_call.ts";
import { KERNEL } from "./native_kernels.ts";

/** f32 sums of some 40 numbers of size 1, and functions of them. */
const TOLERANCE = 1e-4;
/** More than two vectors of any width, and an odd part of one. */
const C = 37, ROWS = 3;
/** Elements from row to row where rows begin at cache lines. */
const STRIDE = 48;
const ARGS = 64;
/** Large, so that leaving it out shows. */
const EPS = 0.5;

/** Where things lie in the memory, in elements. */
const AT = { out: 256, x: 512, d: 768, weight: 1024, bias: 1088, small: 1152 };

/** Whether all kernels for rows compute what they should. */
export function rowsAreRight(
  memory: WebAssembly.Memory,
  call: NativeCall,
): boolean {
  const f32 = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer, ARGS);
  const run = (kernel: number, args: readonly number[]) => {
    words.set(args);
    call(kernel, ARGS);
  };
  const reset = () => {
    for (let i = AT.x; i < AT.small; i++) f32[i] = 2 * Math.sin(i);
    f32.fill(NaN, AT.out, AT.x);
    f32.fill(0, AT.small, AT.small + 256);
  };
  const checks = [softmax, softmaxBackward, norm, normBackward, crossEntropy];
  return checks.every((check) =>
    [true, false].every((flag) => {
      reset();
      return check(f32, run, flag);
    })
  );
}

type Run = (kernel: number, args: readonly number[]) => void;

/** The rows of scores at AT.x; the gradients are at AT.d. */
function softmax(f32: Float32Array, run: Run, seesAll: boolean): boolean {
  const seen = seesAll ? C - ROWS + 1 : 1;
  const before = f32.slice(AT.x, AT.x + ROWS * STRIDE);
  run(KERNEL.softmax, [
    ...[4 * AT.x, 4 * STRIDE, ROWS, seen, C, bitsOf(0.5)],
    ...[4 * AT.small, 4 * AT.small + 64],
  ]);
  return everyRow((row, i) => {
    const scores = [...before.subarray(row, row + seen + i)];
    const most = Math.max(...scores.map((x) => x / 2));
    const powers = scores.map((x) => Math.exp(x / 2 - most));
    const sum = powers.reduce((a, b) => a + b);
    return isNear(f32[AT.small + i], most) &&
      isNear(f32[AT.small + 16 + i], sum) &&
      everyColumn((j) =>
        isNear(f32[AT.x + row + j], j < seen + i ? powers[j] / sum : 0)
      );
  });
}

function softmaxBackward(
  f32: Float32Array,
  run: Run,
  seesAll: boolean,
): boolean {
  const seen = seesAll ? C : -1; // the first rows see none
  const before = f32.slice();
  for (let i = 0; i < ROWS; i++) {
    before[AT.small + i] = f32[AT.small + i] = 1 + i;
    before[AT.small + 16 + i] = f32[AT.small + 16 + i] = i / 2;
  }
  run(KERNEL.softmaxBackward, [
    ...[4 * AT.x, 4 * AT.d, 4 * STRIDE, ROWS, seen >>> 0, C, bitsOf(0.5)],
    ...[4 * AT.small, 4 * AT.small + 64],
  ]);
  return everyRow((row, i) =>
    everyColumn((j) => {
      const [x, d] = [before[AT.x + row + j], before[AT.d + row + j]];
      const p = j < seen + i ? Math.exp(x / 2 - 1 - i) : 0;
      return isNear(f32[AT.x + row + j], p) &&
        isNear(f32[AT.d + row + j], p * (d - i / 2) / 2);
    })
  );
}

function norm(f32: Float32Array, run: Run, centered: boolean): boolean {
  const { out, x, weight, bias, small } = AT;
  run(centered ? KERNEL.layerNorm : KERNEL.rmsNorm, [
    ...[4 * out, 4 * small, 4 * small + 64, 4 * x, 4 * weight],
    ...[centered ? 4 * bias : 0, ROWS, C, bitsOf(1 / C), bitsOf(EPS)],
  ]);
  const right = everyRow((_, i) => {
    const row = f32.subarray(x + i * C, x + i * C + C);
    const { mean, rstd } = statistics(row, centered);
    return isNear(f32[small + 16 + i], rstd) &&
      (!centered || isNear(f32[small + i], mean)) &&
      everyColumn((j) => {
        const shift = centered ? f32[bias + j] : 0;
        const expected = (row[j] - mean) * rstd * f32[weight + j] + shift;
        return isNear(f32[out + i * C + j], expected);
      });
  });
  return right && Number.isNaN(f32[out + ROWS * C]);
}

function normBackward(f32: Float32Array, run: Run, centered: boolean): boolean {
  const { out, x, d, weight, bias, small } = AT;
  const adds = centered; // once with and once without
  for (let i = 0; i < ROWS; i++) {
    const row = f32.subarray(x + i * C, x + i * C + C);
    const { mean, rstd } = statistics(row, centered);
    [f32[small + i], f32[small + 16 + i]] = [mean, rstd];
  }
  run(centered ? KERNEL.layerNormBackward : KERNEL.rmsNormBackward, [
    ...[4 * out, 4 * d, 4 * x, 4 * weight, 4 * small, 4 * small + 64],
    ...[adds ? 4 * bias : 0, ROWS, C, bitsOf(1 / C)],
  ]);
  const right = everyRow((_, i) => {
    const [mean, rstd] = [f32[small + i], f32[small + 16 + i]];
    const columns = Array.from({ length: C }, (_, j) => j);
    const h = columns.map((j) => (f32[x + i * C + j] - mean) * rstd);
    const g = columns.map((j) => f32[d + i * C + j] * f32[weight + j]);
    const average = (of: (j: number) => number) =>
      columns.reduce((sum, j) => sum + of(j), 0) / C;
    const meanG = centered ? average((j) => g[j]) : 0;
    const meanGh = average((j) => g[j] * h[j]);
    return everyColumn((j) => {
      const add = adds ? f32[bias + i * C + j] : 0;
      const expected = add + rstd * (g[j] - meanG - h[j] * meanGh);
      return isNear(f32[out + i * C + j], expected);
    });
  });
  return right && Number.isNaN(f32[out + ROWS * C]);
}

/** Rows one behind the other; the gradient in place, and elsewhere. */
function crossEntropy(f32: Float32Array, run: Run, inPlace: boolean): boolean {
  const { out, x, small } = AT;
  const before = f32.slice(x, x + ROWS * C);
  run(KERNEL.rowPowers, [4 * x, ROWS, C, 4 * small, 4 * small + 64]);
  const to = inPlace ? x : out;
  run(KERNEL.scaledSoftmax, [4 * to, 4 * x, C, bitsOf(1.5), bitsOf(0.5)]);
  const right = everyRow((_, i) => {
    const row = [...before.subarray(i * C, i * C + C)];
    const most = Math.max(...row);
    const sum = row.reduce((sum, x) => sum + Math.exp(x - most), 0);
    return isNear(f32[small + i], most) && isNear(f32[small + 16 + i], sum);
  });
  return right && (inPlace || Number.isNaN(f32[out + C])) &&
    everyColumn((j) => isNear(f32[to + j], Math.exp(before[j] - 1.5) / 2));
}

function statistics(
  row: Float32Array,
  centered: boolean,
): { mean: number; rstd: number } {
  const mean = centered ? row.reduce((a, b) => a + b) / C : 0;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / C;
  return { mean, rstd: 1 / Math.sqrt(variance + EPS) };
}

function everyRow(test: (row: number, i: number) => boolean): boolean {
  return Array.from({ length: ROWS }, (_, i) => test(i * STRIDE, i))
    .every(Boolean);
}

function everyColumn(test: (j: number) => boolean): boolean {
  for (let j = 0; j < C; j++) if (!test(j)) return false;
  return true;
}

/** NaN is near nothing. */
function isNear(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) < TOLERANCE;
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}
