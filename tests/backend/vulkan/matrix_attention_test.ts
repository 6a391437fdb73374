/** Attention's gradient on the matrix units of a device. */

import assert from "node:assert/strict";
import {
  chooseAttention,
  formatAttention,
} from "../../../src/backend/webgpu/choice/attention_choice.ts";
import type { MatrixGradientTile } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { TIMES_FOR_ONE_HEAD } from "../../../src/backend/webgpu/kernels/attention_backward.ts";
import type { AttentionAttrs } from "../../../src/graph/ops.ts";
import { expectMatrixGradient } from "../webgpu/_matrix_gradient.ts";
import { type MatrixDevice, onUnits } from "../webgpu/_matrix_units.ts";

type Sizes = Omit<AttentionAttrs, "site">;

/** Heads are so many units wide. */
const SIZES: readonly (Omit<Sizes, "D"> & { units: number })[] = [
  { B: 2, T: 1, H: 3, Hkv: 1, p: 0, units: 2 },
  // Dropout of rows that begin in the middle of a block of random words.
  { B: 1, T: 37, H: 4, Hkv: 2, p: 0.25, units: 1 },
  // Three tiles, results that are stored in two parts.
  { B: 1, T: 130, H: 2, Hkv: 1, p: 0, units: 3 },
  // Whole tiles.
  { B: 1, T: 128, H: 1, Hkv: 1, p: 0.1, units: 1 },
  // More heads than have their longest tiles first at once.
  { B: 33, T: 65, H: 4, Hkv: 4, p: 0, units: 1 },
  // As in models.
  { B: 1, T: 192, H: 2, Hkv: 2, p: 0.2, units: 4 },
  { B: 1, T: 200, H: 4, Hkv: 2, p: 0.1, units: 5 },
  { B: 1, T: 300, H: 2, Hkv: 1, p: 0, units: 8 },
];

/** Software takes a minute or more to compile longer heads. */
const MOST_SOFTWARE_UNITS = 3;

for (const { units, ...size } of SIZES) {
  const { T, p } = size;
  const title = `T=${T} p=${p}, heads of ${units} units`;
  onUnits(`attention's gradient, ${title}`, async (device) => {
    const { unit, adapter: { info: { isSoftware } } } = device;
    if (isSoftware && units > MOST_SOFTWARE_UNITS) {
      console.warn(`skipped in software: heads of ${units} units`);
      return;
    }
    const all = { ...size, D: units * sideOf(device) };
    const tile = await tileOf(device, all);
    // One case of numbers of f32, which are rounded on the way.
    const isStored = T !== 37;
    const gpu = await device.open(undefined, { attention: () => tile });
    const what = formatAttention(tile);
    await expectMatrixGradient(gpu, all, { unit, isStored, what });
    await gpu.dispose();
  });
}

onUnits("attention's gradient in parts, or where none fits", async (device) => {
  const { unit } = device;
  const size = { B: 3, T: 17, H: 2, Hkv: 1, D: sideOf(device), p: 0.1 };
  const tile = await tileOf(device, size);
  const attention = () => tile;
  // A tile of 64 x 64 for each head, in two bytes: two sequences, then one.
  const ofSequence = 2 * 64 * 64 * 2;
  const none = Math.floor(ofSequence / TIMES_FOR_ONE_HEAD) - 1;
  for (const mostKeptBytes of [2 * ofSequence, none]) {
    const gpu = await device.open(undefined, { attention, mostKeptBytes });
    const what = `${mostKeptBytes} bytes`;
    await expectMatrixGradient(gpu, size, { unit, isStored: true, what });
    await gpu.dispose();
  }
});

onUnits("attention's gradient of some heads at a time", async (device) => {
  const { unit } = device;
  const options = { unit, isStored: true };
  // A head of queries has three tiles of 64 x 64, in two bytes.
  const ofHead = 3 * 64 * 64 * 2;
  const size = { B: 2, T: 70, D: sideOf(device), p: 0.1 };
  for (
    const [H, Hkv, ...limits] of [
      [3, 3, 2 * ofHead], // two heads, then one
      [6, 3, 4 * ofHead], // the same, each with two heads of queries
      [4, 1, ofHead], // one of keys, for which more is kept
    ]
  ) {
    const attrs = { ...size, H, Hkv };
    const tile = await tileOf(device, attrs);
    const attention = () => tile;
    const results: Float32Array[] = [];
    for (const mostKeptBytes of [undefined, ...limits]) {
      const gpu = await device.open(undefined, { attention, mostKeptBytes });
      const what = `${H} heads, ${mostKeptBytes} bytes`;
      results.push(
        await expectMatrixGradient(gpu, attrs, { ...options, what }),
      );
      await gpu.dispose();
    }
    for (const one of results) assert.deepEqual(one, results[0]);
  }
});

/** How a device cuts a call. */
async function tileOf(
  { adapter, unit }: MatrixDevice,
  attrs: Sizes,
): Promise<MatrixGradientTile> {
  const { limits } = (await adapter.request())!;
  const call = { op: "attentionBackward", attrs } as const;
  const tile = chooseAttention(call, { unit, limits });
  assert.ok(tile.flow === "matrixGradient");
  return tile;
}

/** Side of the heads that fit a unit. */
function sideOf({ unit: { N, K } }: MatrixDevice): number {
  return Math.max(N, K);
}
