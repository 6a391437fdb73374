/** Attention's gradient on the matrix units of a device. */

import type { MatrixGradientTile } from "../../src/backend/webgpu/attention/attention_tile.ts";
import type { WebGpuOptions } from "../../src/backend/webgpu/webgpu_backend.ts";
import type { AttentionAttrs } from "../../src/graph/ops.ts";
import { expectMatrixGradient } from "./_matrix_gradient.ts";
import { type MatrixDevice, onUnits } from "./_matrix_units.ts";

type Sizes = Omit<AttentionAttrs, "site">;

async function expectGradient(
  device: MatrixDevice,
  size: Sizes,
  { isStored = true, ...options }: WebGpuOptions & { isStored?: boolean } = {},
): Promise<void> {
  const { unit } = device;
  const gpu = await device.open(undefined, options);
  await expectMatrixGradient(gpu, size, { unit, isStored });
  await gpu.dispose();
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
    await expectGradient(device, { ...size, D: units * sideOf(device) }, {
      isStored: size.T !== 37,
    });
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
