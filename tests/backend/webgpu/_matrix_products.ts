/**
 * Products on matrix units with all that they can do by the way, and what comes
 * of them on any machine.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import type { GemmSite } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { encodeFloats } from "../../../src/base/float_formats.ts";
import type { Program } from "../../../src/graph/program.ts";
import { normal } from "../_op_inputs.ts";
import { rounded } from "./_matrix_units.ts";

/** A call by its name and sizes, of which a site takes no tensors. */
const after = (op: string, attrs: object, inputs = {}) =>
  ({ op, attrs, in: inputs, out: {} }) as unknown as GemmSite["after"];

/** Of a size, one for each op behind, and one with sums of columns. */
export function productSites(
  { M, N, K }: { M: number; N: number; K: number },
): Readonly<Record<string, Omit<GemmSite, "kind">>> {
  const shape = { M, N, K, transA: false, transB: false };
  const gradient = { M, N, K, transA: true, transB: false };
  const dropout = { p: 0.25, site: 1, n: M * N };
  return {
    "a bias and GELU": { shape, bias: true, after: after("gelu", { tanh: 1 }) },
    "GELU's gradient": { shape, after: after("geluBackward", { tanh: 0 }) },
    "SwiGLU's gradient": { shape, after: after("swigluBackward", {}) },
    "dropout on a residual": {
      shape,
      after: after("dropout", dropout, { addTo: {} }),
    },
    "sums of columns": { shape: gradient, addTo: true, sums: { addTo: true } },
  };
}

/** Expects f32 sums of up to 100 terms, and functions of them. */
export function expectNear(
  got: Record<string, Float32Array>,
  want: Record<string, Float32Array>,
): void {
  for (const [name, values] of Object.entries(want)) {
    values.forEach((value, i) => {
      const allowed = 2e-5 * Math.max(1, Math.abs(value));
      const error = Math.abs(got[name][i] - value);
      assert.ok(error <= allowed, `${name}[${i}]: ${got[name][i]}, ${value}`);
    });
  }
}

/** What a site makes of factors that are as its unit would round them. */
export async function runSite(
  backend: Pick<Backend, "compile">,
  program: Program,
  { unit }: { readonly unit: MatrixUnit },
  stored?: "bf16" | "f16",
): Promise<Record<string, Float32Array>> {
  const executable = await backend.compile(program);
  const tensors = [...program.persistent.values()];
  tensors.forEach(({ name, shape, dtype }, i) => {
    if (dtype !== "f32") {
      return executable.write(name, Uint32Array.of(1, 2, 3, 4));
    }
    const { data } = normal(i + 1, [...shape]);
    const numbers = data as Float32Array;
    const isFactor = name === "a" || name === "b";
    if (isFactor && stored) {
      const bytes = encodeFloats(numbers, stored === "f16" ? "F16" : "BF16");
      return executable.write(name, new Uint32Array(bytes.buffer));
    }
    executable.write(name, isFactor ? rounded(numbers, unit) : numbers);
  });
  await executable.run("g");
  const results: Record<string, Float32Array> = {};
  for (const name of ["out", "result", "sums"]) {
    if (!program.persistent.has(name)) continue;
    results[name] = await executable.read(name) as Float32Array;
  }
  await executable.dispose();
  return results;
}
