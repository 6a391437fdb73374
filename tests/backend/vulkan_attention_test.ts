/**
 * Attention on matrix units, against sums of f64 over queries, keys and values
 * that were rounded before: what is left is the rounding of probabilities.
 */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { MatrixAttention } from "../../src/backend/webgpu/attention/attention_tile.ts";
import { openWebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import type { AttentionAttrs } from "../../src/graph/ops.ts";
import { plan } from "../../src/graph/plan.ts";
import { normal, rngWords } from "./_op_inputs.ts";
import { type MatrixDevice, onUnits, rounded } from "./_matrix_units.ts";

/** Opens a device whose attention has so many subgroups, and keys at a time. */
function open(
  { adapter, precision, unit }: MatrixDevice,
  [subgroups, keys]: readonly [number, number] = [2, 64],
) {
  const queries = subgroups * unit.lanes;
  const choice: MatrixAttention = { flow: "matrix", unit, queries, keys };
  return openWebGpuBackend(adapter, { precision, attention: () => choice });
}

interface Inputs {
  readonly qkv: Float32Array;
  readonly rng: Uint32Array;
}

/** `out` and `lse` of numbers that are stored in two bytes, or else in f32. */
async function attend(
  backend: Pick<Backend, "compile">,
  attrs: AttentionAttrs,
  { qkv, rng, isStored }: Inputs & { isStored: boolean },
): Promise<Record<"out" | "lse", Float32Array>> {
  const { B, T, H, Hkv, D, p } = attrs;
  const g = new Graph();
  const given = g.input("qkv", [B * T, (H + 2 * Hkv) * D], "f32");
  const out = g.state("out", [B * T, H * D]);
  const lse = g.state("lse", [B, H, T]);
  g.record("attention", {
    in: {
      qkv: isStored ? g.scale(given, 1) : given,
      rng: p > 0 ? g.input("rng", [4], "u32") : undefined,
    },
    out: { out, lse },
    attrs,
  });
  const executable = await backend.compile(plan({ g }));
  executable.write("qkv", qkv);
  if (p > 0) executable.write("rng", rng);
  await executable.run("g");
  const results = await executable.readAll(["out", "lse"]);
  await executable.dispose();
  return { out: results[0] as Float32Array, lse: results[1] as Float32Array };
}

function inputsOf({ B, T, H, Hkv, D }: AttentionAttrs): Inputs {
  const { data } = normal(1, [B * T, (H + 2 * Hkv) * D]);
  return { qkv: data, rng: rngWords().data as Uint32Array };
}

/** Queries as 0, or values without their sign. */
function withHeads(
  qkv: Float32Array,
  { H, Hkv, D }: AttentionAttrs,
  change: (x: number, head: "query" | "key" | "value") => number,
): Float32Array {
  const width = (H + 2 * Hkv) * D;
  return qkv.map((x, i) => {
    const at = i % width;
    const head = at < H * D ? "query" : at < (H + Hkv) * D ? "key" : "value";
    return change(x, head);
  });
}

/**
 * Small heads, as software takes seconds to compile larger ones. Whether
 * numbers are stored in two bytes.
 */
const SIZES: readonly (Omit<AttentionAttrs, "site"> & { isStored: boolean })[] =
  [
    { B: 1, T: 1, H: 1, Hkv: 1, D: 16, p: 0, isStored: false },
    { B: 2, T: 37, H: 4, Hkv: 2, D: 16, p: 0, isStored: true },
    { B: 1, T: 130, H: 2, Hkv: 1, D: 16, p: 0.25, isStored: true },
    { B: 1, T: 128, H: 2, Hkv: 2, D: 16, p: 0.1, isStored: false },
    { B: 1, T: 71, H: 3, Hkv: 1, D: 32, p: 0.5, isStored: true },
  ];

for (const size of SIZES) {
  const { isStored, ...attrs } = { ...size, site: 5 };
  const { T, H, Hkv, D, p } = size;
  const name = `T=${T} H=${H}/${Hkv} D=${D}` + (p > 0 ? ` dropout ${p}` : "");
  onUnits(`attention of ${name}`, async (device) => {
    const { unit } = device;
    const inputs = inputsOf(attrs);
    const qkv = rounded(inputs.qkv, unit);
    const reference = openReferenceBackend();
    const exact = { rng: inputs.rng, isStored: false };
    const want = await attend(reference, attrs, { ...exact, qkv });
    // Each probability is off by half of its last digit at most, so that the
    // result is off by as much of the sum of all that is added up.
    const sizes = await attend(reference, attrs, {
      ...exact,
      qkv: withHeads(qkv, attrs, (x, of) => of === "value" ? Math.abs(x) : x),
    });
    const half = unit.scalar === "bf16" ? 2 ** -8 : 2 ** -11;
    // The tile is not the one that is taken by itself in one case.
    const gpu = await open(device, T === 128 ? [4, 32] : undefined);
    const got = await attend(gpu, attrs, { ...inputs, isStored });
    want.out.forEach((value, i) => {
      // f32 sums of products of D and T numbers.
      const allowed = half * sizes.out[i] + 2e-5 * Math.max(1, sizes.out[i]);
      const error = Math.abs(got.out[i] - value);
      assert.ok(error <= allowed, `out[${i}]: ${got.out[i]}, ${value}`);
    });
    want.lse.forEach((value, i) => {
      const error = Math.abs(got.lse[i] - value);
      assert.ok(error <= 2e-5, `lse[${i}]: ${got.lse[i]}, ${value}`);
    });
    await gpu.dispose();
  });
}

onUnits("attention of equal scores adds up in f32", async (device) => {
  // Probabilities before they are divided by their sum are 1, or 2 if they are
  // not dropped: two bytes hold both.
  const attrs = { B: 2, T: 75, H: 2, Hkv: 1, D: 16, p: 0.5, site: 3 };
  const { rng, qkv: random } = inputsOf(attrs);
  const qkv = withHeads(
    rounded(random, device.unit),
    attrs,
    (x, of) => of === "query" ? 0 : x,
  );
  const inputs = { qkv, rng, isStored: true };
  const want = await attend(openReferenceBackend(), attrs, inputs);
  const gpu = await open(device);
  const got = await attend(gpu, attrs, inputs);
  for (const name of ["out", "lse"] as const) {
    want[name].forEach((value, i) => {
      const error = Math.abs(got[name][i] - value);
      assert.ok(error <= 2e-5, `${name}[${i}]: ${got[name][i]}, ${value}`);
    });
  }
  await gpu.dispose();
});
