import assert from "node:assert/strict";
import {
  lanePlace,
  type Lanes,
} from "../../../src/backend/webgpu/shader/lanes.ts";
import { range } from "../../../src/backend/webgpu/shader/wgsl.ts";

/** What the WGSL sets `x` and `y` to; u32 divides like BigInt. */
function places(
  sizes: { across: number; down: number; lanes: Lanes },
): { x: number; y: number }[] {
  const statements = lanePlace(sizes).replaceAll(/\b(\d+)u\b/g, "$1n");
  const at = new Function("lane", `${statements}; return [x, y].map(Number);`);
  return range(sizes.across * sizes.down).map((lane) => {
    const [x, y] = at(BigInt(lane));
    return { x, y };
  });
}

Deno.test("lanePlace() gives every thread a place of its own", () => {
  for (const lanes of ["row", "block"] as const) {
    for (const [across, down] of [[16, 16], [16, 8], [8, 16], [8, 8], [6, 4]]) {
      const all = places({ across, down, lanes });
      assert.ok(all.every(({ x, y }) => x < across && y < down));
      const names = new Set(all.map(({ x, y }) => `${x},${y}`));
      assert.equal(names.size, across * down);
    }
  }
});

Deno.test("lanePlace() lets neighbours read fewer vectors in blocks", () => {
  const vectors = (lanes: Lanes) => {
    const some = places({ across: 16, down: 16, lanes }).slice(32, 64);
    return new Set(some.map(({ x }) => x)).size +
      new Set(some.map(({ y }) => y)).size;
  };
  assert.equal(vectors("row"), 16 + 2);
  assert.equal(vectors("block"), 8 + 4);
});
