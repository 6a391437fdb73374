/**
 * Attention's gradient on matrix units, against sums of f64 over tensors that
 * were rounded before: what is left is the rounding of probabilities and of
 * slopes to two bytes, and of sums to f32.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { dropoutFactors } from "../../../src/backend/reference/dropout.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { Graph } from "../../../src/graph/graph.ts";
import type { AttentionAttrs } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import { compute, empty, normal, rngWords } from "../_op_inputs.ts";
import { rounded } from "./_matrix_units.ts";

/** What the gradient is made of. */
interface Inputs {
  readonly qkv: Float32Array;
  readonly dOut: Float32Array;
  readonly out: Float32Array;
  readonly lse: Float32Array;
  readonly rng?: Uint32Array;
}

/**
 * Fails where a gradient is further off than its factors and sums are rounded.
 *
 * @param options.isStored Whether queries, keys, values and the output's
 * gradient are stored in two bytes, else in f32.
 * @returns The gradient.
 */
export async function expectMatrixGradient(
  backend: Pick<Backend, "compile">,
  size: Omit<AttentionAttrs, "site">,
  { unit, isStored, what }: {
    unit: MatrixUnit;
    isStored: boolean;
    what: string;
  },
): Promise<Float32Array> {
  const attrs = { ...size, site: 5 };
  const inputs = inputsOf(attrs, unit);
  const got = await gradient(backend, attrs, { inputs, isStored });
  const { want, sizes } = gradient64(attrs, inputs);
  // Half of the last digit that a unit takes of one factor of each term, the
  // other being exact; and what f32 leaves of slopes, which are differences.
  const share = unit.scalar === "bf16" ? 2 ** -8 : 2 ** -11;
  want.forEach((value, i) => {
    const allowed = share * sizes[i] + 2e-5;
    const error = Math.abs(got[i] - value);
    const found = `${what} [${i}]: ${got[i]}, ${value} ± ${allowed}`;
    assert.ok(error <= allowed, found);
  });
  return got;
}

/** Inputs of which a unit takes factors as they are. */
function inputsOf(attrs: AttentionAttrs, unit: MatrixUnit): Inputs {
  const { B, T, H, Hkv, D, p } = attrs;
  const known = (seed: number, width: number) => {
    const { shape, data } = normal(seed, [B * T, width]);
    return { shape, data: rounded(data, unit) };
  };
  const qkv = known(1, (H + 2 * Hkv) * D), dOut = known(2, H * D);
  const random = p > 0 ? { rng: rngWords() } : {};
  const out = { out: empty([B * T, H * D]), lse: empty([B, H, T]) };
  compute("attention", { in: { qkv, ...random }, out, attrs });
  return {
    qkv: qkv.data,
    dOut: dOut.data,
    out: out.out.data as Float32Array,
    lse: out.lse.data as Float32Array,
    rng: random.rng?.data as Uint32Array | undefined,
  };
}

async function gradient(
  backend: Pick<Backend, "compile">,
  attrs: AttentionAttrs,
  { inputs, isStored }: { inputs: Inputs; isStored: boolean },
): Promise<Float32Array> {
  const { B, T, H, Hkv, D } = attrs;
  const g = new Graph();
  const given = (name: string, width: number) => {
    const x = g.input(name, [B * T, width], "f32");
    return isStored ? g.scale(x, 1) : x;
  };
  const width = (H + 2 * Hkv) * D;
  g.record("attentionBackward", {
    in: {
      dOut: given("dOut", H * D),
      qkv: given("qkv", width),
      out: g.input("out", [B * T, H * D], "f32"),
      lse: g.input("lse", [B, H, T], "f32"),
      rng: inputs.rng && g.input("rng", [4], "u32"),
    },
    out: { dQkv: g.state("dQkv", [B * T, width]) },
    attrs,
  });
  const executable = await backend.compile(plan({ g }));
  for (const [name, data] of Object.entries(inputs)) {
    if (data) executable.write(name, data);
  }
  await executable.run("g");
  const result = await executable.read("dQkv");
  await executable.dispose();
  return result as Float32Array;
}

/**
 * The gradient in f64, and of each of its numbers the sum of the sizes of its
 * terms: what each term may be off by is a share of that.
 */
function gradient64(
  { B, T, H, Hkv, D, p, site }: AttentionAttrs,
  { qkv, dOut, rng }: Inputs,
): { want: Float64Array; sizes: Float64Array } {
  const factor = rng ? dropoutFactors(rng, { p, site }) : () => 1;
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
