/**
 * A quick test of attention and its gradient on a matrix unit, before it is
 * trusted with a run; see matrix_self_test.ts.
 *
 * Beside products, attention needs that results of a unit are multiplied number
 * by number, and that the threads of a subgroup see what others of it wrote.
 * Numbers are ones that two bytes hold, and sums are of f64; allowed is what
 * probabilities and slopes are rounded by, and far less than a mistake makes.
 *
 * @module
 */

import { errorMessage } from "../../../base/errors.ts";
import { Graph } from "../../../graph/graph.ts";
import { plan } from "../../../graph/plan.ts";
import type { Program } from "../../../graph/program.ts";
import type { Executable } from "../../backend.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { formatUnit } from "../choice/matrix_choice.ts";

/** Three tiles of keys, the last of which is no whole one. */
const T = 72;

/**
 * Results are of size 1 to 4, by bf16 off by less than 2^-9; a wrong order, or a
 * factor left out, makes some of them wrong by more than 2^-5.
 */
const ALLOWED = 2 ** -6;

/** Why attention cannot be computed on a unit, or null. */
export async function whyNoAttention(
  device: { compile(program: Program): Promise<Executable> },
  unit: MatrixUnit,
): Promise<string | null> {
  const failed = `${formatUnit(unit)} failed its self-test of attention`;
  try {
    return await isRight(device, Math.max(unit.N, unit.K)) ? null : failed;
  } catch (error) { // its shaders do not compile, or the device was lost
    return `${failed} (${errorMessage(error)})`;
  }
}

/** @param D The size of the only head. */
async function isRight(
  device: { compile(program: Program): Promise<Executable> },
  D: number,
): Promise<boolean> {
  const g = new Graph();
  const qkv = g.state("qkv", [T, 3 * D]), dOut = g.state("dOut", [T, D]);
  const out = g.state("out", [T, D]), lse = g.state("lse", [1, 1, T]);
  const dQkv = g.state("dQkv", [T, 3 * D]);
  const attrs = { B: 1, T, H: 1, Hkv: 1, D, p: 0, site: 0 };
  g.record("attention", { in: { qkv }, out: { out, lse }, attrs });
  g.record("attentionBackward", {
    in: { dOut, qkv, out, lse },
    out: { dQkv },
    attrs,
  });
  const executable = await device.compile(plan({ test: g }));
  try {
    const given = { qkv: eighths(1, 3 * T * D), dOut: eighths(2, T * D) };
    executable.write("qkv", given.qkv);
    executable.write("dOut", given.dOut);
    await executable.run("test");
    const want = attention64(given, D);
    const names = ["out", "lse", "dQkv"] as const;
    const got = await executable.readAll(names);
    return names.every((name, i) =>
      want[name].every((value, j) => Math.abs(value - got[i][j]) <= ALLOWED)
    );
  } finally {
    await executable.dispose();
  }
}

/** Numbers from -1 to 1 that look random. */
function eighths(seed: number, length: number): Float32Array {
  let bits = seed;
  return Float32Array.from({ length }, () => {
    bits = Math.imul(bits, 1664525) + 1013904223;
    return ((bits >>> 8) % 17 - 8) / 8;
  });
}

/** Formulas: ../kernels/attention_backward.ts. */
function attention64(
  { qkv, dOut }: Readonly<Record<"qkv" | "dOut", Float32Array>>,
  D: number,
) {
  const out = new Float64Array(T * D), lse = new Float64Array(T);
  const dQkv = new Float64Array(3 * T * D);
  const query = (i: number) => 3 * i * D;
  const key = (j: number) => query(j) + D, value = (j: number) => key(j) + D;
  const dot = (at: number, other: Float32Array, from: number) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += qkv[at + d] * other[from + d];
    return sum;
  };
  const root = Math.sqrt(D);
  for (let i = 0; i < T; i++) {
    const keys = Array.from({ length: i + 1 }, (_, j) => ({
      j,
      e: Math.exp(dot(key(j), qkv, query(i)) / root),
      g: dot(value(j), dOut, i * D),
    }));
    const total = keys.reduce((sum, { e }) => sum + e, 0);
    const mean = keys.reduce((sum, { e, g }) => sum + e * g, 0) / total;
    lse[i] = Math.log(total);
    for (const { j, e, g } of keys) {
      const p = e / total, slope = p * (g - mean) / root;
      for (let d = 0; d < D; d++) {
        out[i * D + d] += p * qkv[value(j) + d];
        dQkv[query(i) + d] += slope * qkv[key(j) + d];
        dQkv[key(j) + d] += slope * qkv[query(i) + d];
        dQkv[value(j) + d] += p * dOut[i * D + d];
      }
    }
  }
  return { out, lse, dQkv };
}
