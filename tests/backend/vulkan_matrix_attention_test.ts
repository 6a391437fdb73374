/**
 * Attention's gradient on matrix units, against sums of f64 over tensors that
 * were rounded before: what is left is the rounding of probabilities and of
 * slopes to two bytes, and of sums to f32.
 */

import assert from "node:assert/strict";
import { dropoutFactors } from "../../src/backend/reference/dropout.ts";
import type { MatrixGradientTile } from "../../src/backend/webgpu/attention/attention_tile.ts";
import type { WebGpuOptions } from "../../src/backend/webgpu/webgpu_backend.ts";
import type { AttentionAttrs } from "../../src/graph/ops.ts";
import { type MatrixDevice, onUnits, rounded } from "./_matrix_units.ts";
import {
  compute,
  describe,
  empty,
  normal,
  opCase,
  rngWords,
} from "./_op_inputs.ts";
import { type OpCaseOf, runOpCase } from "./_run_op_case.ts";

type Sizes = Omit<AttentionAttrs, "site">;

/** A call whose factors are numbers that a unit takes as they are. */
function gradientCase(
  size: Sizes,
  { unit }: Pick<MatrixDevice, "unit">,
): OpCaseOf<"attentionBackward"> {
  const attrs = { ...size, site: 5 };
  const { B, T, H, Hkv, D, p } = attrs;
  const known = (seed: number, width: number) => {
    const { shape, data } = normal(seed, [B * T, width]);
    return { shape, data: rounded(data as Float32Array, unit) };
  };
  const qkv = known(1, (H + 2 * Hkv) * D), dOut = known(2, H * D);
  const random = p > 0 ? { rng: rngWords() } : {};
  const out = { out: empty([B * T, H * D]), lse: empty([B, H, T]) };
  compute("attention", { in: { qkv, ...random }, out, attrs });
  return opCase("attentionBackward", describe(size), {
    in: { dOut, qkv, ...out, ...random },
    out: { dQkv: qkv.shape },
    attrs,
    tolerance: 0,
    reason: "see allowed",
  }) as OpCaseOf<"attentionBackward">;
}

/**
 * The gradient in f64, and of each of its numbers the sum of the sizes of its
 * terms: what each term may be off by is a share of that.
 */
function gradient64(
  { in: inputs, attrs }: OpCaseOf<"attentionBackward">,
): { want: Float64Array; sizes: Float64Array } {
  const { B, T, H, Hkv, D, p, site } = attrs;
  const qkv = inputs.qkv.data, dOut = inputs.dOut.data;
  const factor = inputs.rng
    ? dropoutFactors(inputs.rng.data, { p, site })
    : () => 1;
  const width = (H + 2 * Hkv) * D;
  const want = new Float64Array(qkv.length);
  const sizes = new Float64Array(qkv.length);
  const dot = (at: number, other: ArrayLike<number>, from: number) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += qkv[at + d] * other[from + d];
    return sum;
  };
  for (let row = 0; row < B * H * T; row++) {
    const i = row % T, h = Math.floor(row / T) % H;
    const first = Math.floor(row / (T * H)) * T;
    const q = (first + i) * width + h * D;
    const y = ((first + i) * H + h) * D;
    const keys = Array.from({ length: i + 1 }, (_, j) => {
      const k = (first + j) * width + (H + Math.floor(h * Hkv / H)) * D;
      const v = k + Hkv * D;
      const e = Math.exp(dot(k, qkv, q) / Math.sqrt(D));
      return { k, v, e, f: factor(row * T + j), g: dot(v, dOut, y) };
    });
    const total = keys.reduce((sum, { e }) => sum + e, 0);
    const dots = keys.reduce((sum, { e, f, g }) => sum + e / total * f * g, 0);
    for (const { k, v, e, f, g } of keys) {
      const slope = e / total * (f * g - dots) / Math.sqrt(D);
      const add = (at: number, term: number) => {
        want[at] += term;
        sizes[at] += Math.abs(term);
      };
      for (let d = 0; d < D; d++) {
        add(q + d, slope * qkv[k + d]);
        add(k + d, slope * qkv[q + d]);
        add(v + d, e / total * f * dOut[y + d]);
      }
    }
  }
  return { want, sizes };
}

async function expectGradient(
  device: MatrixDevice,
  size: Sizes,
  options: WebGpuOptions = {},
): Promise<void> {
  const { unit } = device;
  const gpu = await device.open(undefined, options);
  const one = gradientCase(size, device);
  const got = (await runOpCase(gpu, one)).dQkv;
  await gpu.dispose();
  const { want, sizes } = gradient64(one);
  // Half of the last digit that a unit takes of one factor of each term, the
  // other being exact; and what f32 leaves of slopes, which are differences.
  const share = unit.scalar === "bf16" ? 2 ** -8 : 2 ** -11;
  want.forEach((value, i) => {
    const error = Math.abs(got[i] - value);
    const allowed = share * sizes[i] + 2e-5;
    assert.ok(
      error <= allowed,
      `${one.name} [${i}]: ${got[i]}, ${value} ± ${allowed}`,
    );
  });
}

/** Heads are so many units wide: few, as software takes seconds to compile. */
const SIZES: readonly (Omit<Sizes, "D"> & { units: number })[] = [
  { B: 2, T: 1, H: 3, Hkv: 1, p: 0, units: 2 },
  // Dropout of rows that begin in the middle of a block of random words.
  { B: 1, T: 37, H: 4, Hkv: 2, p: 0.25, units: 1 },
  // Three tiles, results that are stored in two parts.
  { B: 1, T: 130, H: 2, Hkv: 1, p: 0, units: 3 },
  // Whole tiles.
  { B: 1, T: 128, H: 1, Hkv: 1, p: 0.1, units: 1 },
];

for (const { units, ...size } of SIZES) {
  const title = `T=${size.T} p=${size.p}, heads of ${units} units`;
  onUnits(`attention's gradient, ${title}`, async (device) => {
    await expectGradient(device, { ...size, D: units * sideOf(device) });
  });
}

onUnits("attention's gradient in parts, or where none fits", async (device) => {
  const size = { B: 3, T: 17, H: 2, Hkv: 1, D: sideOf(device), p: 0.1 };
  // A tile of 64 x 64 for each head, in two bytes: two sequences, then one.
  const ofSequence = 2 * 64 * 64 * 2;
  await expectGradient(device, size, { mostKeptBytes: 2 * ofSequence });
  await expectGradient(device, size, { mostKeptBytes: ofSequence - 1 });
});

onUnits("attention's gradient by several units at a time", async (device) => {
  const { unit } = device, side = sideOf(device);
  const size = { B: 1, T: 70, H: 1, Hkv: 1, D: side, p: 0.1 };
  // Another tile than the one that is taken by itself.
  const tile: MatrixGradientTile = {
    ...{ flow: "matrixGradient", rows: 2 * unit.M, step: side, unit },
    inMemory: true,
  };
  await expectGradient(device, size, { attention: () => tile });
});

/** Side of the heads that fit a unit. */
function sideOf({ unit: { N, K } }: MatrixDevice): number {
  return Math.max(N, K);
}
