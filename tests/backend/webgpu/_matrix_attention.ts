/**
 * Attention on matrix units for tests, against sums of f64 over queries, keys
 * and values that were rounded before: what is left is the rounding of
 * probabilities.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { Graph } from "../../../src/graph/graph.ts";
import type { AttentionAttrs } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import { normal, rngWords } from "../_op_inputs.ts";
import { rounded } from "./_matrix_units.ts";

/** Numbers of a call. */
export interface Inputs {
  readonly qkv: Float32Array;
  readonly rng: Uint32Array;
}

/** `out` and `lse` of numbers that are stored in two bytes, or else in f32. */
export async function attend(
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

/** Numbers for a call, those of qkv in f32. */
export function inputsOf({ B, T, H, Hkv, D }: AttentionAttrs): Inputs {
  const { data } = normal(1, [B * T, (H + 2 * Hkv) * D]);
  return { qkv: data, rng: rngWords().data as Uint32Array };
}

/** With queries, keys or values changed. */
export function withHeads(
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
 * Fails where results are further off than probabilities and sums of f32 are
 * rounded.
 */
export async function expectAttention(
  backend: Pick<Backend, "compile">,
  attrs: AttentionAttrs,
  { unit, isStored, what }: {
    unit: MatrixUnit;
    isStored: boolean;
    what: string;
  },
): Promise<void> {
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
  const got = await attend(backend, attrs, { ...inputs, isStored });
  // f32 sums of products of D and T numbers.
  const allowed = {
    out: (i: number) => half * sizes.out[i] + 2e-5 * Math.max(1, sizes.out[i]),
    lse: () => 2e-5,
  };
  for (const name of ["out", "lse"] as const) {
    want[name].forEach((value, i) => {
      const error = Math.abs(got[name][i] - value);
      assert.ok(
        error <= allowed[name](i),
        `${what}: ${name}[${i}] is ${got[name][i]}, not ${value}`,
      );
    });
  }
}
