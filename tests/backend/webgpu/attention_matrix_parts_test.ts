import assert from "node:assert/strict";
import { attentionFlops } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { gradientTiles } from "../../../src/backend/webgpu/attention_matrix/attention_matrix_part.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import {
  MOST_KEPT_BYTES,
  TIMES_FOR_ONE_HEAD,
} from "../../../src/backend/webgpu/kernels/attention_backward.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { recordSite } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";
import { expectMatrixGradient } from "./_matrix_gradient.ts";

const UNIT: MatrixUnit = {
  ...{ M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
};
const [TILE] = gradientTiles(UNIT, { maxComputeInvocationsPerWorkgroup: 1024 });

const OPTIONS = {
  ...{ maxBindings: 9, hasU64: true, workgroupBytes: 48 << 10, fuse: true },
  attention: () => TILE,
  gemmVariant: () => assert.fail("nothing is multiplied"),
  precision: "bf16",
} as const;

interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly Hkv: number;
}

/** The parts of a gradient by units: what they keep, where each begins. */
function partsOf(sizes: Sizes, maxBindingBytes = 2 ** 31) {
  const g = new Graph();
  const attrs = { ...sizes, D: 64, p: 0.1, site: 0 };
  recordSite(g, { kind: "attentionBackward", attrs });
  const { phases } = lower(plan({ g }), { ...OPTIONS, maxBindingBytes });
  const [, ...dispatches] = phases.get("g")!; // after dot products of rows
  const byUnits = dispatches.filter(({ enables = [] }) =>
    enables.includes("wgpu_cooperative_matrix")
  );
  const named = (i: number, name: string) =>
    byUnits[i].bindings.find((one) => one.name === name)?.tensor;
  const flops = byUnits.reduce((sum, { flops = 0 }) => sum + flops, 0);
  return {
    isByUnits: byUnits.length === dispatches.length,
    flops: flops / attentionFlops(attrs, 5),
    shaders: new Set(byUnits.map(({ code }) => code)).size,
    keptBytes: byUnits.length > 0 ? 2 * named(0, "slopes")!.length : 0,
    starts: byUnits.map((_, i) => {
      const start = named(i, "start");
      return start ? [...start.memory.content!] : null;
    }),
  };
}

/** Bytes of the slopes of a head of queries. */
function ofHead(T: number): number {
  const tiles = Math.ceil(T / 64);
  return tiles * (tiles + 1) / 2 * 64 * 64 * 2;
}

Deno.test("attention's gradient keeps the slopes of all sequences, or some", () => {
  const all = partsOf({ B: 8, T: 1024, H: 12, Hkv: 12 });
  const bytes = 12 * ofHead(1024);
  assert.deepEqual([all.keptBytes, all.starts], [8 * bytes, [null, null]]);
  const some = partsOf({ B: 30, T: 1024, H: 12, Hkv: 12 });
  const starts = [[0], [0], [15], [15]];
  assert.deepEqual([some.keptBytes, some.starts], [15 * bytes, starts]);
});

Deno.test("attention's gradient of long contexts keeps those of some heads", () => {
  const cases: [Sizes, headsOfKeys: number, parts: number][] = [
    [{ B: 1, T: 4096, H: 16, Hkv: 16 }, 8, 2],
    [{ B: 3, T: 4096, H: 18, Hkv: 18 }, 9, 2],
    [{ B: 1, T: 4096, H: 20, Hkv: 5 }, 3, 2], // three of five, then two
    [{ B: 1, T: 8192, H: 12, Hkv: 12 }, 3, 4],
    // One head of keys needs more than else is kept.
    [{ B: 1, T: 8192, H: 32, Hkv: 8 }, 1, 8],
    [{ B: 1, T: 16384, H: 8, Hkv: 8 }, 1, 8],
    [{ B: 2, T: 16384, H: 8, Hkv: 2 }, 1, 2],
  ];
  for (const [sizes, heads, parts] of cases) {
    const { B, T, H, Hkv } = sizes;
    const part = partsOf(sizes);
    const what = JSON.stringify(sizes);
    assert.ok(part.isByUnits, what);
    assert.equal(part.shaders, 2, what); // compiled once for all parts
    assert.equal(part.keptBytes, heads * H / Hkv * ofHead(T), what);
    const most = MOST_KEPT_BYTES * (heads === 1 ? TIMES_FOR_ONE_HEAD : 1);
    assert.ok(part.keptBytes <= most, what);
    const starts = Array.from({ length: B * parts }, (_, i) => [
      Math.floor(i / parts),
      i % parts * heads,
    ]);
    assert.deepEqual(part.starts, starts.flatMap((one) => [one, one]), what);
    // A last part that has fewer heads counts as a whole one.
    assert.equal(part.flops, parts * heads / Hkv, what);
    // A device that binds less does with less, or without units.
    const half = partsOf(sizes, part.keptBytes / 2);
    assert.equal(half.isByUnits, heads > 1, what);
  }
  assert.ok(!partsOf({ B: 1, T: 16384, H: 8, Hkv: 1 }).isByUnits);
});

const SIZES = [
  // Two heads of keys, then one; one at a time, with two heads of queries; one,
  // of which more is kept than of others.
  [{ B: 2, T: 8, H: 3, Hkv: 3, D: 16, p: 0.25 }, 2],
  [{ B: 1, T: 65, H: 4, Hkv: 2, D: 16, p: 0 }, 2],
  [{ B: 1, T: 8, H: 4, Hkv: 1, D: 16, p: 0.1 }, 1],
] as const;

for (const [size, keptHeads] of SIZES) {
  const title = `T=${size.T} of ${size.H} heads by ${keptHeads}`;
  Deno.test(`the gradient of ${title}, has the bits of all at once`, async () => {
    const results: Float32Array[] = [];
    for (const mostKeptBytes of [undefined, keptHeads * ofHead(size.T)]) {
      const machine = openSpirvMachine({
        ...{ ...OPTIONS, maxBindingBytes: 2 ** 27, lanes: 32, mostKeptBytes },
      });
      const options = { unit: UNIT, isStored: true, what: title };
      results.push(await expectMatrixGradient(machine, size, options));
    }
    assert.deepEqual(results[1], results[0]);
  });
}
