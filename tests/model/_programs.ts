/** Small programs and comparisons that the model tests share. */

import assert from "node:assert/strict";
import type { Backend, Executable } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import type { Program } from "../../src/graph/program.ts";
import { buildLogits } from "../../src/model/model.ts";
import type { Lora } from "../../src/model/lora.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { noAdapter, openTestGpu } from "../backend/webgpu/_webgpu.ts";

/** Every executor that has to agree with the oracle, by name. */
export const BACKENDS: Record<string, () => Promise<Backend>> = {
  reference: () => Promise.resolve(openReferenceBackend()),
  cpu: () => openCpuBackend({ threads: 2 }),
  ...!noAdapter && { webgpu: () => openTestGpu() },
};

/** Compiles a program and writes tensors by name. */
export async function compileWith(
  backend: Backend,
  program: Program,
  tensors: ReadonlyMap<string, Float32Array>,
): Promise<Executable> {
  const executable = await backend.compile(program);
  for (const [name, values] of tensors) executable.write(name, values);
  return executable;
}

/**
 * Logits of B sequences of T ids each, (B * T, V); with dropout when `rng`,
 * the content of that input, is given.
 */
export async function forwardLogits(
  backend: Backend,
  { config, lora, weights, ids, B, rng }: {
    config: ModelConfig;
    lora?: Lora;
    weights: ReadonlyMap<string, Float32Array>;
    ids: Uint32Array;
    B: number;
    rng?: Uint32Array;
  },
): Promise<Float32Array> {
  const T = ids.length / B;
  const g = new Graph();
  const rngInput = rng && g.input("rng", [4], "u32");
  const logits = buildLogits(g, config, { B, T, rng: rngInput, lora });
  // Adding 0 copies the temporary to where it can be read.
  const out = g.output("logits", logits.shape);
  g.add(logits, g.fill(logits.shape, 0), { out });

  const program = plan({ forward: g });
  const executable = await compileWith(backend, program, weights);
  executable.write("ids", ids);
  executable.write("positions", ids.map((_, r) => r % T));
  if (rng) executable.write("rng", rng);
  await executable.run("forward");
  const result = await executable.read("logits") as Float32Array;
  await executable.dispose();
  return result;
}

/** Largest difference, relative to the largest magnitude expected. */
export function relativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): number {
  assert.equal(actual.length, expected.length);
  let difference = 0, magnitude = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i] - expected[i]);
    if (!(d <= difference)) difference = d; // a NaN stays
    magnitude = Math.max(magnitude, Math.abs(expected[i]));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}

/** Asserts that {@linkcode relativeError} is at most `rtol`. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, what }: { rtol: number; what: string },
): void {
  const error = relativeError(actual, expected);
  assert.ok(error <= rtol, `${what}: relative error ${error}, allowed ${rtol}`);
}
