/**
 * The backward rule of every differentiable op against central differences.
 *
 * The result of the op, a matrix, is multiplied with fixed random weights and
 * goes through cross entropy, so that its gradient is a different number at
 * every element and of both signs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gradients } from "../../src/graph/gradients.ts";
import { Graph } from "../../src/graph/graph.ts";
import { IGNORED_TARGET } from "../../src/graph/ops.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import {
  checkGradients,
  gradientTargets,
  paramsOf,
  randomIds,
} from "./_helpers.ts";

/** Builds a loss, or a matrix that still needs {@linkcode head}. */
interface RuleCase {
  readonly title: string;
  readonly params: Record<string, number[]>;
  readonly inputs?: Record<string, Uint32Array>;
  build(g: Graph, tensors: Record<string, Tensor>): Tensor;
}

const RNG = Uint32Array.of(7, 8, 9, 10);

const cases: RuleCase[] = [
  {
    title: "add of two tensors and of one with itself",
    params: { a: [3, 5], b: [3, 5] },
    build: (g, { a, b }) => g.add(g.add(a, a), b),
  },
  {
    title: "scale of a tensor that is read twice",
    params: { x: [3, 5] },
    build: (g, { x }) => g.add(g.scale(x, -1.5), g.scale(x, 0.25)),
  },
  {
    title: "embedding with repeated ids and addTo",
    params: { table: [4, 5], addTo: [6, 5] },
    inputs: { ids: randomIds(6, { below: 4, seed: 1 }) },
    build: (g, { table, ids, addTo }) => g.embedding(table, ids, { addTo }),
  },
  {
    title: "embedding of a table that is computed",
    params: { table: [4, 5] },
    inputs: { ids: randomIds(6, { below: 4, seed: 1 }) },
    build: (g, { table, ids }) => g.embedding(g.scale(table, -1.5), ids),
  },
  ...[false, true].flatMap((transA) =>
    [false, true].map((transB): RuleCase => ({
      title: `matmul with transA ${transA}, transB ${transB}, bias, addTo`,
      params: {
        a: transA ? [4, 3] : [3, 4],
        b: transB ? [5, 4] : [4, 5],
        bias: [5],
        addTo: [3, 5],
      },
      build: (g, { a, b, bias, addTo }) =>
        g.matmul(a, b, { transA, transB, bias, addTo }),
    }))
  ),
  {
    title: "matmul of a tensor with its own transpose",
    params: { a: [3, 4] },
    build: (g, { a }) => g.matmul(a, a, { transB: true }),
  },
  {
    title: "layerNorm with bias",
    params: { x: [4, 7], weight: [7], bias: [7] },
    build: (g, { x, weight, bias }) => g.layerNorm(x, weight, bias, 1e-5).out,
  },
  {
    title: "layerNorm without bias",
    params: { x: [4, 7], weight: [7] },
    build: (g, { x, weight }) => g.layerNorm(x, weight, null, 1e-5).out,
  },
  {
    title: "rmsNorm",
    params: { x: [4, 7], weight: [7] },
    build: (g, { x, weight }) => g.rmsNorm(x, weight, 1e-5).out,
  },
  ...[false, true].map((inverse): RuleCase => ({
    title: `rope with inverse ${inverse}`,
    params: { x: [5, 11] },
    inputs: { positions: Uint32Array.of(0, 1, 2, 7, 30) },
    build: (g, { x, positions }) =>
      g.rope(x, positions, { nRotated: 2, D: 4, theta: 100, inverse }),
  })),
  {
    title: "attention of two sequences",
    params: { qkv: [10, 12] },
    build: (g, { qkv }) =>
      g.attention(qkv, { B: 2, T: 5, H: 2, Hkv: 2, D: 2 }).out,
  },
  {
    title: "attention with grouped queries and dropout",
    params: { qkv: [6, 24] },
    inputs: { rng: RNG },
    build: (g, { qkv, rng }) =>
      g.attention(qkv, {
        ...{ B: 1, T: 6, H: 4, Hkv: 2, D: 3 },
        dropout: { p: 0.4, site: 3, rng },
      }).out,
  },
  ...[false, true].map((tanh): RuleCase => ({
    title: `gelu with tanh ${tanh}`,
    params: { x: [4, 6] },
    build: (g, { x }) => g.gelu(x, { tanh }),
  })),
  {
    title: "swiglu",
    params: { x: [4, 10] },
    build: (g, { x }) => g.swiglu(x),
  },
  {
    title: "dropout with addTo",
    params: { x: [5, 6], addTo: [5, 6] },
    inputs: { rng: RNG },
    build: (g, { x, rng, addTo }) =>
      g.dropout(x, { p: 0.4, site: 2, rng, addTo }),
  },
  {
    title: "crossEntropy and meanLoss with addTo",
    params: { logits: [4, 3], earlier: [3, 2] },
    inputs: { targets: Uint32Array.of(2, IGNORED_TARGET, 0, 1) },
    build: (g, { logits, targets, earlier }) =>
      g.meanLoss(g.crossEntropy(logits, targets).rowLoss, targets, {
        scale: 0.7,
        addTo: head(g, earlier),
      }),
  },
];

for (const { title, params, inputs = {}, build } of cases) {
  Deno.test(`gradients() of ${title} agree with differences`, async () => {
    await checkGradients((g) => {
      const tensors: Record<string, Tensor> = {};
      for (const [name, shape] of Object.entries(params)) {
        tensors[name] = g.param(name, shape);
      }
      for (const [name, { length }] of Object.entries(inputs)) {
        tensors[name] = g.input(name, [length], "u32");
      }
      const result = build(g, tensors);
      return result.shape.length === 2 ? head(g, result) : result;
    }, inputs);
  });
}

const NOT_DIFFERENTIABLE: Record<string, (g: Graph, x: Tensor) => Tensor> = {
  sumSquares: (g, x) => g.sumSquares(x),
  sumRows: (g, x) => g.sumSquares(g.sumRows(x)),
  clipScale: (g, x) => g.clipScale(g.sumSquares(x), { maxNorm: 1 }).scale,
  attentionCached: (g, x) =>
    head(
      g,
      g.attentionCached(x, {
        ...{ T: 1, S: 1, H: 1, Hkv: 1, D: 1 },
        kCache: g.state("k", [1, 1]),
        vCache: g.state("v", [1, 1]),
        position: g.input("position", [1], "u32"),
      }),
    ),
};

for (const [op, build] of Object.entries(NOT_DIFFERENTIABLE)) {
  Deno.test(`gradients() throws for ${op}, naming it`, () => {
    const g = new Graph();
    const loss = build(g, g.param("x", [1, 3]));
    const into = gradientTargets(g, paramsOf(g));
    assert.throws(() => gradients(g, loss, { into }), (error: Error) => {
      assert.ok(error instanceof TypeError);
      const last = op === "sumRows" ? "sumSquares" : op;
      assert.match(error.message, new RegExp(`Cannot differentiate ${last}: `));
      return true;
    });
  });
}

/** A loss of any matrix; see the module. */
function head(g: Graph, x: Tensor): Tensor {
  const [rows, C] = x.shape;
  const logits = g.matmul(x, g.input(`head (${C})`, [C, 7], "f32"));
  const targets = g.input(`targets (${rows})`, [rows], "u32");
  const { rowLoss } = g.crossEntropy(logits, targets);
  return g.meanLoss(rowLoss, targets, { scale: 1 });
}
