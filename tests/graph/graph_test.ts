/**
 * What the methods of a graph record, and what they refuse.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { SUM_CHUNK } from "../../src/graph/ops.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";

/** Something wrong, the error's class, and what its message must name. */
type Refusal = [
  what: string,
  error: ErrorConstructor,
  message: RegExp,
  build: (g: Graph) => void,
];

const f32 = (g: Graph, ...shape: number[]) =>
  g.input(`f32 ${shape}`, shape, "f32");
const u32 = (g: Graph, ...shape: number[]) =>
  g.input(`u32 ${shape}`, shape, "u32");
const rope = { nRotated: 1, D: 4, theta: 1e4 };
const heads = { B: 2, T: 3, H: 4, Hkv: 2, D: 5 };

const refusals: Refusal[] = [
  ["a dimension of 0", RangeError, /param "x" f32 \(3, 0\)/, (g) => {
    g.param("x", [3, 0]);
  }],
  ["a fractional dimension", RangeError, /\(1.5\)/, (g) => {
    g.fill([1.5], 0);
  }],
  [
    "one name for two shapes",
    TypeError,
    /\(2, 3\).*: it is .*\(3, 2\)/,
    (g) => {
      g.param("w", [3, 2]);
      g.param("w", [2, 3]);
    },
  ],
  ["one name for two kinds", TypeError, /state "w".*: it is param "w"/, (g) => {
    g.param("w", [3]);
    g.state("w", [3]);
  }],
  ["add of two shapes", RangeError, /b is .*\(3, 2\).*shape \(2, 3\)/, (g) => {
    g.add(f32(g, 2, 3), f32(g, 3, 2));
  }],
  [
    "add of ids",
    TypeError,
    /a is input "u32 2" u32 \(2\), expected f32/,
    (g) => {
      g.add(u32(g, 2), u32(g, 2));
    },
  ],
  ["embedding in a vector", TypeError, /table is .*an f32 matrix/, (g) => {
    g.embedding(f32(g, 3), u32(g, 2));
  }],
  ["embedding by f32 ids", TypeError, /ids is .* f32 .*expected u32/, (g) => {
    g.embedding(f32(g, 3, 4), f32(g, 2));
  }],
  [
    "matmul of other inner sizes",
    RangeError,
    /\(2, 3\) and b is \(4, 5\)/,
    (g) => {
      g.matmul(f32(g, 2, 3), f32(g, 4, 5));
    },
  ],
  [
    "matmul of a wrong transpose",
    RangeError,
    /\(2, 3\) transposed and/,
    (g) => {
      g.matmul(f32(g, 2, 3), f32(g, 3, 5), { transA: true });
    },
  ],
  ["matmul with a bias of K", RangeError, /bias .*\(3\).*shape \(5\)/, (g) => {
    g.matmul(f32(g, 2, 3), f32(g, 3, 5), { bias: f32(g, 3) });
  }],
  ["matmul onto another shape", RangeError, /addTo .*shape \(2, 5\)/, (g) => {
    g.matmul(f32(g, 2, 3), f32(g, 3, 5), { addTo: f32(g, 5, 2) });
  }],
  ["matmul into a temporary", TypeError, /out is .*persistent/, (g) => {
    const out = g.fill([2, 5], 0);
    g.matmul(f32(g, 2, 3), f32(g, 3, 5), { out });
  }],
  [
    "matmul into its own input",
    TypeError,
    /out is input .*, and so is a$/,
    (g) => {
      const a = f32(g, 3, 3);
      g.matmul(a, g.param("w", [3, 3]), { out: a });
    },
  ],
  ["layerNorm with a short weight", RangeError, /weight .*shape \(4\)/, (g) => {
    g.layerNorm(f32(g, 2, 4), f32(g, 3), null, 1e-5);
  }],
  ["rmsNorm of a vector", TypeError, /x is .*an f32 matrix/, (g) => {
    g.rmsNorm(f32(g, 4), f32(g, 4), 1e-5);
  }],
  ["rope of an odd D", RangeError, /D is 3, expected an even number/, (g) => {
    g.rope(f32(g, 2, 8), u32(g, 2), { ...rope, D: 3 });
  }],
  [
    "rope of too many heads",
    RangeError,
    /is 12, expected 0 to width = 8/,
    (g) => {
      g.rope(f32(g, 2, 8), u32(g, 2), { ...rope, nRotated: 3 });
    },
  ],
  [
    "rope of too few positions",
    RangeError,
    /positions is .*2 elements/,
    (g) => {
      g.rope(f32(g, 2, 8), u32(g, 3), rope);
    },
  ],
  ["attention of another width", RangeError, /qkv .*shape \(6, 40\)/, (g) => {
    g.attention(f32(g, 6, 60), heads);
  }],
  ["attention of uneven groups", RangeError, /Hkv is 3.*of H = 4/, (g) => {
    g.attention(f32(g, 6, 50), { ...heads, Hkv: 3 });
  }],
  ["attention with p = 1", RangeError, /p is 1, expected at least 0/, (g) => {
    const dropout = { p: 1, site: 0, rng: u32(g, 4) };
    g.attention(f32(g, 6, 40), { ...heads, dropout });
  }],
  [
    "attentionCached of a short cache",
    RangeError,
    /kCache .*\(7, 10\)/,
    (g) => {
      const { B: _, T, ...sizes } = heads;
      g.attentionCached(f32(g, 3, 40), {
        ...{ T, S: 7, ...sizes, position: u32(g, 1) },
        ...{ kCache: f32(g, 6, 10), vCache: f32(g, 7, 10) },
      });
    },
  ],
  ["attentionCached in a temporary", TypeError, /vCache .*persistent/, (g) => {
    const { B: _, T, ...sizes } = heads;
    g.attentionCached(f32(g, 3, 40), {
      ...{ T, S: 7, ...sizes, position: u32(g, 1) },
      ...{ kCache: f32(g, 7, 10), vCache: g.fill([7, 10], 0) },
    });
  }],
  ["swiglu of an odd width", RangeError, /x has 5 columns/, (g) => {
    g.swiglu(f32(g, 2, 5));
  }],
  ["dropout by three random words", RangeError, /rng is .*4 elements/, (g) => {
    g.dropout(f32(g, 2), { p: 0.1, site: 0, rng: u32(g, 3) });
  }],
  ["dropout at a negative site", RangeError, /site is -1/, (g) => {
    g.dropout(f32(g, 2), { p: 0.1, site: -1, rng: u32(g, 4) });
  }],
  ["crossEntropy of other rows", RangeError, /targets .*3 elements/, (g) => {
    g.crossEntropy(f32(g, 3, 5), u32(g, 4));
  }],
  ["meanLoss of a matrix", RangeError, /rowLoss .*shape \(6\)/, (g) => {
    g.meanLoss(f32(g, 2, 3), u32(g, 6), { scale: 1 });
  }],
  ["clipScale of a negative norm", RangeError, /maxNorm is -1/, (g) => {
    g.clipScale(f32(g, 1), { maxNorm: -1 });
  }],
  ["recordStep by another schedule", RangeError, /schedule .*\(4, 3\)/, (g) => {
    g.recordStep({
      ...{ loss: f32(g, 1), gradNorm: f32(g, 1), scale: f32(g, 1) },
      ...{ slot: u32(g, 1), schedule: f32(g, 4, 2), log: f32(g, 4, 4) },
    });
  }],
  ["adamw of another gradient", RangeError, /grad .*shape \(2, 3\)/, (g) => {
    adamw(g, f32(g, 2, 3), f32(g, 3, 2));
  }],
  ["adamw of a temporary", TypeError, /param is temp .*persistent/, (g) => {
    adamw(g, g.fill([2, 3], 0), f32(g, 2, 3));
  }],
  ["a temporary of another graph", TypeError, /no earlier call/, (g) => {
    g.gelu(new Graph().fill([2], 0), { tanh: true });
  }],
  [
    "a parameter of another graph",
    TypeError,
    /is of another graph/,
    (g) => {
      g.gelu(new Graph().param("w", [2]), { tanh: true });
    },
  ],
  [
    "a temporary that is written twice",
    TypeError,
    /which an earlier call writes/,
    (g) => {
      const out = g.temp([2]);
      g.record("fill", { in: {}, out: { out }, attrs: { n: 2, value: 0 } });
      g.record("fill", { in: {}, out: { out }, attrs: { n: 2, value: 1 } });
    },
  ],
];

for (const [what, error, message, build] of refusals) {
  Deno.test(`Graph throws a ${error.name} for ${what}`, () => {
    assert.throws(() => build(new Graph()), (thrown: Error) => {
      assert.equal(thrown.constructor, error, String(thrown));
      assert.match(thrown.message, message);
      return true;
    });
  });
}

Deno.test("Graph gives every op's results their shapes", () => {
  const g = new Graph();
  const shapes = (tensors: object) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, { shape }]) => [name, shape]),
    );
  const [rows, C] = [6, 8];
  const x = f32(g, rows, C), w = f32(g, C);
  assert.deepEqual(g.fill([2, 3], 1).shape, [2, 3]);
  assert.deepEqual(g.add(x, x).shape, [rows, C]);
  assert.deepEqual(g.embedding(f32(g, 9, C), u32(g, 2, 3)).shape, [rows, C]);
  assert.deepEqual(g.matmul(x, f32(g, C, 3)).shape, [rows, 3]);
  assert.deepEqual(g.sumRows(x).shape, [C]);
  assert.deepEqual(shapes(g.layerNorm(x, w, w, 1e-5)), {
    out: [rows, C],
    mean: [rows],
    rstd: [rows],
  });
  assert.deepEqual(shapes(g.rmsNorm(x, w, 1e-5)), {
    out: [rows, C],
    rstd: [rows],
  });
  assert.deepEqual(g.rope(x, u32(g, rows), rope).shape, [rows, C]);
  assert.deepEqual(shapes(g.attention(f32(g, rows, 40), heads)), {
    out: [rows, 20],
    lse: [2, 4, 3],
  });
  assert.deepEqual(g.swiglu(x).shape, [rows, C / 2]);
  assert.deepEqual(shapes(g.crossEntropy(x, u32(g, rows))), {
    rowLoss: [rows],
    lse: [rows],
  });
  assert.deepEqual(g.sumSquares(x).shape, [1]);
  const call = g.calls.at(-1)!;
  assert.ok(call.op === "sumSquares");
  assert.deepEqual(call.out.partials.shape, [1]);
  g.sumSquares(f32(g, SUM_CHUNK + 1));
  const long = g.calls.at(-1)!;
  assert.ok(long.op === "sumSquares");
  assert.deepEqual(long.out.partials.shape, [2]);
});

Deno.test("matmul() reads M, N and K off both transposes", () => {
  const g = new Graph();
  g.matmul(f32(g, 2, 3), f32(g, 3, 5));
  g.matmul(f32(g, 3, 2), f32(g, 5, 3), { transA: true, transB: true });
  assert.deepEqual(g.calls.map(({ attrs }) => attrs), [
    { M: 2, N: 5, K: 3, transA: 0, transB: 0 },
    { M: 2, N: 5, K: 3, transA: 1, transB: 1 },
  ]);
});

Deno.test("Graph writes to `out` and adds to the same tensor when told", () => {
  const g = new Graph();
  const total = g.state("total", [3]);
  const x = f32(g, 2, 3);
  assert.equal(g.sumRows(x, { addTo: total, out: total }), total);
  assert.deepEqual(g.calls[0], {
    op: "sumRows",
    in: { x, addTo: total },
    out: { out: total },
    attrs: { rows: 2, C: 3 },
  });
});

Deno.test("Graph leaves absent inputs out of a call", () => {
  const g = new Graph();
  g.layerNorm(f32(g, 2, 3), f32(g, 3), null, 1e-5);
  g.attention(f32(g, 6, 40), heads);
  assert.deepEqual(g.calls.map((call) => Object.keys(call.in)), [
    ["x", "weight"],
    ["qkv"],
  ]);
});

Deno.test("param() returns the same tensor for the same name", () => {
  const g = new Graph();
  assert.equal(g.param("w", [2, 3]), g.param("w", [2, 3]));
  assert.deepEqual([...g.named.keys()], ["w"]);
});

Deno.test("sizeOf() multiplies all dimensions, none of them giving 1", () => {
  assert.equal(sizeOf([2, 3, 5]), 30);
  assert.equal(sizeOf([]), 1);
});

function adamw(g: Graph, param: Tensor, grad: Tensor): void {
  g.adamw({
    ...{ param, grad, m: g.state("m", param.shape) },
    v: g.state("v", param.shape),
    scale: f32(g, 1),
    hyper: f32(g, 3),
  }, { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 });
}
