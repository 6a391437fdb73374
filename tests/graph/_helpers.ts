/**
 * Helpers for tests that run graphs: random tensors, runs on the reference
 * executor, and gradients by central differences.
 *
 * @module
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { Executable, TensorData } from "../../src/backend/backend.ts";
import { PhiloxStream } from "../../src/base/philox.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";

/** Standard normal numbers times `scale`; the stream is this test's own. */
export function randn(
  count: number,
  { seed, scale = 1 }: { seed: number; scale?: number },
): Float32Array {
  const stream = new PhiloxStream(seed, 99);
  return Float32Array.from({ length: count }, () => scale * stream.normal());
}

/** Uniform integers from 0 on, less than `below`. */
export function randomIds(
  count: number,
  { below, seed }: { below: number; seed: number },
): Uint32Array {
  const stream = new PhiloxStream(seed, 98);
  return Uint32Array.from({ length: count }, () => stream.below(below));
}

/** Fails unless `|got - want| <= atol + rtol * |want|` everywhere. */
export function assertClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { atol = 0, rtol = 0, what = "values" }: {
    atol?: number;
    rtol?: number;
    what?: string;
  },
): void {
  assert.equal(got.length, want.length, `${what}: number of elements`);
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i])) continue;
    const allowed = atol + rtol * Math.abs(want[i]);
    if (!(Math.abs(got[i] - want[i]) <= allowed)) {
      assert.fail(
        `${what}: [${i}] is ${got[i]}, expected ${want[i]} +- ${allowed}`,
      );
    }
  }
}

/** Compiles `phases` for the reference executor and writes `data` to it. */
export async function compile(
  phases: Record<string, Graph>,
  data: Record<string, TensorData> = {},
  options?: Parameters<typeof plan>[1],
): Promise<Executable> {
  const program = plan(phases, options);
  const executable = await openReferenceBackend().compile(program);
  for (const [name, values] of Object.entries(data)) {
    executable.write(name, values);
  }
  return executable;
}

/** A function that builds a graph and returns its loss. */
export type BuildLoss = (g: Graph) => Tensor;

/**
 * Compares gradients() with central differences, for every element of every
 * parameter that `build` asks its graph for. Tensors that `given` does not
 * name get normal numbers times 1/2, or ids below 3.
 *
 * The stencil with four points, (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h,
 * errs by h^4/30 times the fifth derivative only, so that h can be as large as
 * 0.05, where the f32 rounding of a loss around 2 (1e-7) weighs 1.5 * 1e-7 / h
 * = 3e-6. `atol` is six times that; the first error passes it from h = 0.1 on,
 * the second from h = 0.0125 down.
 */
export async function checkGradients(
  build: BuildLoss,
  given: Record<string, TensorData> = {},
  { h = 0.05, atol = 2e-5 }: { h?: number; atol?: number } = {},
): Promise<void> {
  const forward = new Graph(), backward = new Graph();
  recordLoss(forward, build);
  const loss = recordLoss(backward, build);
  const params = paramsOf(backward);
  const data = { ...randomData(backward), ...given };
  gradients(backward, loss, { into: gradientTargets(backward, params) });

  const executable = await compile({ forward, backward }, data);
  const lossAt = async (name: string, values: Float32Array) => {
    executable.write(name, values);
    await executable.run("forward");
    return (await executable.read("loss"))[0];
  };
  await executable.run("backward");
  for (const { name, shape } of params) {
    const values = data[name] as Float32Array;
    const numeric = new Float64Array(sizeOf(shape));
    for (let i = 0; i < numeric.length; i++) {
      const at = (x: number) => lossAt(name, values.with(i, values[i] + x));
      numeric[i] = (8 * (await at(h) - await at(-h)) -
        (await at(2 * h) - await at(-2 * h))) / (12 * h);
    }
    executable.write(name, values);
    const analytic = await executable.read(`d.${name}`);
    assertClose(analytic, numeric, { atol, what: `gradient of ${name}` });
  }
}

/** Content for the parameters and inputs of a graph: f32 of size 1/2. */
export function randomData(g: Graph): Record<string, TensorData> {
  const filled = [...g.named.values()].filter(({ kind }) =>
    kind === "param" || kind === "input"
  );
  return Object.fromEntries(
    filled.map(({ name, dtype, shape }, i): [string, TensorData] => [
      name,
      dtype === "f32"
        ? randn(sizeOf(shape), { seed: i, scale: 0.5 })
        : randomIds(sizeOf(shape), { below: 3, seed: i }),
    ]),
  );
}

/** All parameters of a graph. */
export function paramsOf(g: Graph): Tensor[] {
  return [...g.named.values()].filter(({ kind }) => kind === "param");
}

/** Targets `d.<name>` for the gradients of `params`. */
export function gradientTargets(
  g: Graph,
  params: Tensor[],
  accumulate = false,
) {
  return new Map(params.map((param) => {
    const out = g.state(`d.${param.name}`, param.shape);
    return [param, { out, accumulate }];
  }));
}

/** Records the loss that `build` makes, and its copy as output "loss". */
function recordLoss(g: Graph, build: BuildLoss): Tensor {
  const loss = build(g);
  g.add(loss, g.fill(loss.shape, 0), { out: g.output("loss", loss.shape) });
  return loss;
}
