/**
 * The reference kernels against values computed by hand, and what their
 * executor promises. Their backward kernels are also checked by central
 * differences, in tests/graph/backward_rules_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { erf } from "../../src/backend/reference/activations.ts";
import {
  openReferenceBackend,
  referenceKernels,
} from "../../src/backend/reference/backend.ts";
import { dropoutFactors } from "../../src/backend/reference/dropout.ts";
import { philox } from "../../src/base/philox.ts";
import { Graph } from "../../src/graph/graph.ts";
import { IGNORED_TARGET, type OpName } from "../../src/graph/ops.ts";
import { plan } from "../../src/graph/plan.ts";
import { assertClose, compile, randn } from "../graph/_helpers.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";
import { f32, u32 } from "./_op_inputs.ts";
import type { OpCase, OpCaseOf, OpInput } from "./_run_op_case.ts";

/** Natural logarithms that make softmax give quarters. */
const LN3 = 1.0986122886681098, LN4 = 1.3862943611198906;

/** Kernels against numbers that were worked out on paper. */
const handValues: { opCase: OpCase; want: Record<string, number[]> }[] = [
  hand("fill", {
    in: {},
    attrs: { n: 3, value: 1.5 },
    want: { out: [1.5, 1.5, 1.5] },
  }),
  hand("add", {
    in: { a: f32([2], 1, 2), b: f32([2], 10, 20) },
    attrs: { n: 2 },
    want: { out: [11, 22] },
  }),
  hand("embedding", {
    in: {
      table: f32([3, 2], 1, 2, 3, 4, 5, 6),
      ids: u32(2, 0),
      addTo: f32([2, 2], 10, 10, 20, 20),
    },
    attrs: { rows: 2, V: 3, C: 2 },
    want: { out: [15, 16, 21, 22] },
  }),
  hand("embeddingBackward", {
    in: { dOut: f32([3, 2], 1, 2, 3, 4, 5, 6), ids: u32(1, 1, 0) },
    attrs: { rows: 3, V: 3, C: 2 },
    want: { out: [5, 6, 4, 6, 0, 0] },
  }),
  hand("embeddingBackward", {
    in: {
      dOut: f32([1, 1], 4),
      ids: u32(1),
      addTo: f32([2, 1], 10, 20),
    },
    attrs: { rows: 1, V: 2, C: 1 },
    want: { out: [10, 24] },
  }),
  hand("scale", {
    in: { x: f32([3], 1, -2, 0.5) },
    attrs: { n: 3, factor: 3 },
    want: { out: [3, -6, 1.5] },
  }),
  hand("matmul", {
    in: {
      a: f32([2, 3], 1, 2, 3, 4, 5, 6),
      b: f32([3, 2], 7, 8, 9, 10, 11, 12),
      bias: f32([2], 1, 2),
      addTo: f32([2, 2], 100, 200, 300, 400),
    },
    attrs: { M: 2, N: 2, K: 3, transA: 0, transB: 0 },
    want: { out: [58 + 101, 64 + 202, 139 + 301, 154 + 402] },
  }),
  hand("matmul", {
    in: {
      a: f32([3, 2], 1, 4, 2, 5, 3, 6),
      b: f32([2, 3], 7, 9, 11, 8, 10, 12),
    },
    attrs: { M: 2, N: 2, K: 3, transA: 1, transB: 1 },
    want: { out: [58, 64, 139, 154] },
  }),
  hand("sumRows", {
    in: { x: f32([2, 3], 1, 2, 3, 4, 5, 6), addTo: f32([3], 100, 200, 300) },
    attrs: { rows: 2, C: 3 },
    want: { out: [105, 207, 309] },
  }),
  // Mean 2 and variance 1; with eps 3 the deviation counts as 2.
  hand("layerNorm", {
    in: {
      x: f32([1, 2], 1, 3),
      weight: f32([2], 2, 3),
      bias: f32([2], 10, 20),
    },
    attrs: { rows: 1, C: 2, eps: 3 },
    want: { out: [9, 21.5], mean: [2], rstd: [0.5] },
  }),
  // g = (2, 6), n = (-.5, .5): average g 4, average g n 1.
  hand("layerNormBackward", {
    in: {
      dOut: f32([1, 2], 1, 2),
      x: f32([1, 2], 1, 3),
      weight: f32([2], 2, 3),
      mean: f32([1], 2),
      rstd: f32([1], 0.5),
      addTo: f32([1, 2], 10, 20),
    },
    attrs: { rows: 1, C: 2 },
    want: { out: [9.25, 20.75] },
  }),
  // Mean square 12.5; with eps 3.5 the root counts as 4.
  hand("rmsNorm", {
    in: { x: f32([1, 2], 3, 4), weight: f32([2], 2, 1) },
    attrs: { rows: 1, C: 2, eps: 3.5 },
    want: { out: [1.5, 1], rstd: [0.25] },
  }),
  // g = (8, 8), n = (.75, 1): average g n 7.
  hand("rmsNormBackward", {
    in: {
      dOut: f32([1, 2], 4, 8),
      x: f32([1, 2], 3, 4),
      weight: f32([2], 2, 1),
      rstd: f32([1], 0.25),
    },
    attrs: { rows: 1, C: 2 },
    want: { out: [0.6875, 0.25] },
  }),
  hand("normWeightBackward", {
    in: {
      dOut: f32([2, 2], 1, 2, 3, 4),
      x: f32([2, 2], 5, 6, 7, 8),
      mean: f32([2], 1, 2),
      rstd: f32([2], 0.5, 2),
    },
    attrs: { rows: 2, C: 2 },
    want: { out: [2 + 30, 5 + 48] },
  }),
  // Angles 1 and 10000^(-1/2) = 0.01 for the two pairs of a head of 4.
  hand("rope", {
    in: { x: f32([1, 5], 1, 1, 0, 0, 9), positions: u32(1) },
    attrs: { rows: 1, width: 5, nRotated: 1, D: 4, theta: 1e4, inverse: 0 },
    want: { out: [0.5403023, 0.9999500, 0.8414710, 0.0099998, 9] },
  }),
  hand("rope", {
    in: { x: f32([1, 2], 0, 1), positions: u32(1) },
    attrs: { rows: 1, width: 2, nRotated: 1, D: 2, theta: 1e4, inverse: 1 },
    want: { out: [0.8414710, 0.5403023] },
  }),
  // Scores of the last row are (0, ln 3), its probabilities (1/4, 3/4).
  hand("attention", {
    in: { qkv: f32([2, 3], 1, 0, 10, LN3, 1, 20) },
    attrs: { B: 1, T: 2, H: 1, Hkv: 1, D: 1, p: 0, site: 0 },
    want: { out: [10, 17.5], lse: [0, LN4] },
  }),
  // Two query heads share the key head; the second scores 0 everywhere.
  hand("attention", {
    in: { qkv: f32([2, 4], 0, 0, 0, 10, LN3, 0, 1, 20) },
    attrs: { B: 1, T: 2, H: 2, Hkv: 1, D: 1, p: 0, site: 0 },
    want: { out: [10, 10, 17.5, 15], lse: [0, LN4, 0, Math.LN2] },
  }),
  // ds of the last row is (1/4 (10 - 17.5), 3/4 (20 - 17.5)) = -+1.875.
  hand("attentionBackward", {
    in: {
      dOut: f32([2, 1], 1, 1),
      qkv: f32([2, 3], 1, 0, 10, LN3, 1, 20),
      out: f32([2, 1], 10, 17.5),
      lse: f32([1, 1, 2], 0, LN4),
    },
    attrs: { B: 1, T: 2, H: 1, Hkv: 1, D: 1, p: 0, site: 0 },
    want: { dQkv: [0, -2.0598980, 1.25, 1.875, 2.0598980, 0.75] },
  }),
  hand("attentionCached", {
    in: {
      qkv: f32([1, 3], LN3, 1, 20),
      kCache: f32([3, 1], 0, NaN, NaN),
      vCache: f32([3, 1], 10, NaN, NaN),
      position: u32(1),
    },
    attrs: { T: 1, S: 3, H: 1, Hkv: 1, D: 1 },
    want: { out: [17.5], kCache: [0, 1, NaN], vCache: [10, 20, NaN] },
  }),
  // Phi(1) and Phi(-2) of a table of the normal distribution.
  hand("gelu", {
    in: { x: f32([3], 0, 1, -2) },
    attrs: { n: 3, tanh: 0 },
    want: { out: [0, 0.8413447, -0.0455003] },
  }),
  hand("gelu", {
    in: { x: f32([3], 0, 1, -2) },
    attrs: { n: 3, tanh: 1 },
    want: { out: [0, 0.8411920, -0.0454023] },
  }),
  // Phi(x) + x phi(x), with phi(1) = 0.2419707 and phi(-2) = 0.0539910.
  hand("geluBackward", {
    in: { dOut: f32([3], 1, 2, 1), x: f32([3], 0, 1, -2) },
    attrs: { n: 3, tanh: 0 },
    want: { out: [0.5, 2 * 1.0833155, -0.0852318] },
  }),
  hand("geluBackward", {
    in: { dOut: f32([3], 1, 2, 1), x: f32([3], 0, 1, -2) },
    attrs: { n: 3, tanh: 1 },
    want: { out: [0.5, 2 * 1.0829641, -0.0860993] },
  }),
  // sigmoid(1) = 0.7310586.
  hand("swiglu", {
    in: { x: f32([1, 2], 1, 3) },
    attrs: { rows: 1, F: 1 },
    want: { out: [2.1931757] },
  }),
  hand("swigluBackward", {
    in: { dOut: f32([1, 1], 2), x: f32([1, 2], 1, 3) },
    attrs: { rows: 1, F: 1 },
    want: { out: [5.5660231, 1.4621172] },
  }),
  // Philox of zeros is 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123's known
  // answers); only the second word is at least 3/4 * 2^32.
  hand("dropout", {
    in: {
      x: f32([4], 1, 2, 3, 4),
      rng: u32(0, 0, 0, 0),
      addTo: f32([4], 10, 20, 30, 40),
    },
    attrs: { n: 4, p: 0.75, site: 0 },
    want: { out: [10, 28, 30, 40] },
  }),
  hand("crossEntropy", {
    in: {
      logits: f32([4, 2], 0, LN3, 0, LN3, 1e4, -1e4, 1e4, -1e4),
      targets: u32(0, IGNORED_TARGET, 1, 0),
    },
    attrs: { rows: 4, V: 2 },
    want: { rowLoss: [LN4, 0, 2e4, 0], lse: [LN4, LN4, 1e4, 1e4] },
  }),
  hand("crossEntropyBackward", {
    in: {
      dRowLoss: f32([4], 2, 2, 1, 1),
      logits: f32([4, 2], 0, LN3, 0, LN3, 1e4, -1e4, 1e4, -1e4),
      targets: u32(0, IGNORED_TARGET, 1, 0),
      lse: f32([4], LN4, LN4, 1e4, 1e4),
    },
    attrs: { rows: 4, V: 2 },
    want: { out: [-1.5, 1.5, 0, 0, 1, -1, 0, 0] },
  }),
  hand("meanLoss", {
    in: {
      rowLoss: f32([3], 1, 7, 3),
      targets: u32(5, IGNORED_TARGET, 6),
      addTo: f32([1], 10),
    },
    attrs: { rows: 3, scale: 0.5 },
    want: { loss: [11] },
  }),
  hand("meanLoss", {
    in: { rowLoss: f32([1], 7), targets: u32(IGNORED_TARGET) },
    attrs: { rows: 1, scale: 1 },
    want: { loss: [0] },
  }),
  // Token 1 has been used and counts half, so 2 comes first, and is noted.
  hand("sample", {
    in: {
      logits: f32([1, 3], 1, 3, 2),
      settings: f32([3], 0, 1, 2),
      choice: u32(1, 0, 0, 1, 0, 3),
      used: u32(0b010),
      drawn: u32(9, 9),
    },
    attrs: { V: 3, rows: 2 },
    want: { id: [2], drawn: [9, 2], used: [0b110] },
  }),
  hand("meanLossBackward", {
    in: { dLoss: f32([1], 4), targets: u32(5, IGNORED_TARGET, 6) },
    attrs: { rows: 3, scale: 0.5 },
    want: { out: [1, 0, 1] },
  }),
  hand("sumSquares", {
    in: { x: f32([3], 1, 2, 3), addTo: f32([1], 5) },
    attrs: { n: 3 },
    want: { out: [19], partials: [14] },
  }),
  ...[
    { sumSquares: 25, maxNorm: 1, gradNorm: 5, scale: 0.2 },
    { sumSquares: 25, maxNorm: 10, gradNorm: 5, scale: 1 },
    { sumSquares: 25, maxNorm: 0, gradNorm: 5, scale: 1 },
    { sumSquares: 0, maxNorm: 1, gradNorm: 0, scale: 1 },
    { sumSquares: Infinity, maxNorm: 1, gradNorm: Infinity, scale: 0 },
    { sumSquares: Infinity, maxNorm: 0, gradNorm: Infinity, scale: 0 },
    { sumSquares: NaN, maxNorm: 1, gradNorm: NaN, scale: 0 },
    { sumSquares: NaN, maxNorm: 0, gradNorm: NaN, scale: 0 },
  ].map(({ sumSquares, maxNorm, gradNorm, scale }) =>
    hand("clipScale", {
      in: { sumSquares: f32([1], sumSquares) },
      attrs: { maxNorm },
      want: { gradNorm: [gradNorm], scale: [scale] },
    })
  ),
  // The second update of three steps: rates of step 2, corrections of update 1.
  hand("recordStep", {
    in: {
      loss: f32([1], 3.25),
      gradNorm: f32([1], 7),
      scale: f32([1], 0.5),
      slot: u32(2),
      schedule: f32([3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9),
      log: f32([3, 4], 1, 1, 1, 1, 2, 2, 0, 1, 9, 9, 9, 9),
    },
    attrs: { rows: 3 },
    want: {
      log: [1, 1, 1, 1, 2, 2, 0, 1, 3.25, 7, 0.5, 2],
      hyper: [7, 5, 6],
    },
  }),
  // g 1, m 0.1, v 0.01, corrected 1 and 1: 1 - 0.1 * 0.5 - 0.1 / (1 + 1).
  adamwByHand(0.5, { param: [0.9], m: [0.1], v: [0.01] }),
  adamwByHand(0, { param: [1], m: [0], v: [0] }),
];

handValues.forEach(({ opCase, want }, i) => {
  Deno.test(`${opCase.op}() returns hand-computed values (${i})`, async () => {
    const got = await runOpCase(openReferenceBackend(), opCase);
    for (const [name, values] of Object.entries(want)) {
      assertOpClose(opCase, { [name]: got[name] }, {
        [name]: Float32Array.from(values),
      });
    }
  });
});

Deno.test("every op has hand-computed values and a case at odd shapes", () => {
  const ops = Object.keys(referenceKernels).sort();
  const opsOf = (cases: readonly OpCase[]) =>
    [...new Set<string>(cases.map(({ op }) => op))].sort();
  assert.deepEqual(opsOf(handValues.map(({ opCase }) => opCase)), ops);
  assert.deepEqual(opsOf(opCases), ops);
  assert.equal(new Set(opCases.map(({ name }) => name)).size, opCases.length);
});

Deno.test("every op gives the same bits in place of an input", async () => {
  const backend = openReferenceBackend();
  let pairs = 0;
  for (const opCase of opCases) {
    const results = await runOpCase(backend, opCase);
    for (const [name, got] of Object.entries(results)) {
      const [output, input] = name.split(" in place of ");
      if (!input) continue;
      const exact = { ...opCase, tolerance: 0 };
      assertOpClose(exact, { [name]: got }, { [name]: results[output] });
      pairs++;
    }
  }
  assert.ok(pairs > 100, `only ${pairs} cases ran in place`);
});

Deno.test("erf() agrees with tabulated values to 1e-15", () => {
  // Abramowitz & Stegun 1964, table 7.1, and Python's math.erf.
  const table = [
    [0, 0],
    [0.001, 0.0011283787909692365],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [-1.25, -0.9229001282564582],
    [3, 0.9999779095030014],
    [4.5, 0.9999999998033839],
    [7, 1],
    [-Infinity, -1],
  ];
  for (const [x, want] of table) assertClose([erf(x)], [want], { atol: 1e-15 });
  assert.ok(Number.isNaN(erf(NaN)));
});

Deno.test("dropout() keeps element i by word i%4 of block i/4", async () => {
  const rng = Uint32Array.of(1, 2, 3, 4), p = 0.3, n = 10_003, site = 7;
  const g = new Graph();
  const x = g.input("x", [n], "f32");
  const kept = g.dropout(x, { p, site, rng: g.input("rng", [4], "u32") });
  g.add(kept, g.fill([n], 0), { out: g.output("kept", [n]) });
  const ones = new Float32Array(n).fill(1);
  const executable = await compile({ g }, { x: ones, rng });
  await executable.run("g");
  const got = await executable.read("kept");

  for (const i of [0, 1, 2, 3, 4, 4097, n - 1]) {
    const word = philox([i >>> 2, site, 3, 4], [1, 2])[i & 3];
    const want = word >= p * 2 ** 32 ? Math.fround(1 / (1 - p)) : 0;
    assert.equal(got[i], want, `element ${i}`);
  }
  // The share that is kept: 0.7 within four deviations of 10,003 draws.
  const share = got.filter((value) => value > 0).length / n;
  assertClose([share], [1 - p], { atol: 4 * Math.sqrt(0.3 * 0.7 / n) });
});

Deno.test("attention() drops probability ((b*H + h)*T + i)*T + j", async () => {
  const [B, T, H, Hkv, D] = [2, 3, 2, 1, 1];
  const p = 0.5, site = 9, rng = Uint32Array.of(5, 0, 1, 0);
  const g = new Graph();
  const { out } = g.attention(g.input("qkv", [B * T, 4], "f32"), {
    ...{ B, T, H, Hkv, D },
    dropout: { p, site, rng: g.input("rng", [4], "u32") },
  });
  g.add(out, g.fill(out.shape, 0), { out: g.output("out", out.shape) });
  // Scores are all 0, so row i averages values 0 … i; value j is 10^j.
  const qkv = new Float32Array(B * T * 4);
  for (let row = 0; row < B * T; row++) qkv[row * 4 + 3] = 10 ** (row % T);
  const executable = await compile({ g }, { qkv, rng });
  await executable.run("g");
  const got = await executable.read("out");

  const factor = dropoutFactors(rng, { p, site });
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < T; i++) {
      for (let h = 0; h < H; h++) {
        let want = 0;
        for (let j = 0; j <= i; j++) {
          want += factor(((b * H + h) * T + i) * T + j) * 10 ** j / (i + 1);
        }
        const at = (b * T + i) * H + h;
        assertClose([got[at]], [want], { rtol: 1e-6, what: `${b} ${i} ${h}` });
      }
    }
  }
});

Deno.test("attentionCached() row by row equals attention() at once", async () => {
  const [T, H, Hkv, D] = [7, 4, 2, 3];
  const width = (H + 2 * Hkv) * D;
  const whole = new Graph(), step = new Graph();
  const { out } = whole.attention(whole.input("all", [T, width], "f32"), {
    ...{ B: 1, T, H, Hkv, D },
  });
  whole.add(out, whole.fill(out.shape, 0), {
    out: whole.output("out", out.shape),
  });
  const row = step.attentionCached(step.input("row", [1, width], "f32"), {
    kCache: step.state("kCache", [T, Hkv * D]),
    vCache: step.state("vCache", [T, Hkv * D]),
    position: step.input("position", [1], "u32"),
    ...{ T: 1, S: T, H, Hkv, D },
  });
  step.add(row, step.fill(row.shape, 0), {
    out: step.output("rowOut", row.shape),
  });
  const all = randn(T * width, { seed: 1 });
  const executable = await compile({ whole, step }, { all });
  await executable.run("whole");
  const want = await executable.read("out");
  for (let t = 0; t < T; t++) {
    executable.write("row", all.slice(t * width, (t + 1) * width));
    executable.write("position", Uint32Array.of(t));
    await executable.run("step");
    const got = await executable.read("rowOut");
    assertClose(got, want.slice(t * H * D, (t + 1) * H * D), {});
  }
});

Deno.test("the executor refuses unknown names and wrong data", async () => {
  const g = new Graph();
  g.add(g.input("x", [2], "f32"), g.fill([2], 1), { out: g.output("y", [2]) });
  const executable = await openReferenceBackend().compile(plan({ g }));
  await assert.rejects(executable.run("h"), /no such phase/);
  await assert.rejects(executable.read("z"), /Cannot find tensor "z"/);
  assert.throws(() => executable.write("z", new Float32Array(2)), TypeError);
  assert.throws(() => executable.write("x", new Float32Array(3)), TypeError);
  assert.throws(() => executable.write("x", new Uint32Array(2)), TypeError);
});

Deno.test("read() gives a copy that later runs leave alone", async () => {
  const g = new Graph();
  g.add(g.input("x", [1], "f32"), g.fill([1], 1), { out: g.output("y", [1]) });
  const executable = await compile({ g }, { x: Float32Array.of(1) });
  await executable.run("g");
  const first = await executable.read("y");
  executable.write("x", Float32Array.of(5));
  await executable.run("g");
  assert.deepEqual([first[0], (await executable.read("y"))[0]], [2, 6]);
});

Deno.test("embedding() and crossEntropy() refuse ids beyond the table", async () => {
  const g = new Graph(), h = new Graph();
  g.embedding(g.param("wte", [3, 2]), g.input("ids", [1], "u32"));
  h.crossEntropy(h.param("logits", [1, 3]), h.input("ids", [1], "u32"));
  const executable = await compile({ g, h }, { ids: Uint32Array.of(3) });
  await assert.rejects(executable.run("g"), RangeError);
  await assert.rejects(executable.run("h"), RangeError);
});

/** A case whose output shapes are those of the wanted values. */
function hand<K extends OpName>(
  op: K,
  { in: inputs, attrs, want }: {
    in: OpCaseOf<K>["in"];
    attrs: OpCaseOf<K>["attrs"];
    want: Record<string, number[]>;
  },
) {
  const given: Record<string, OpInput> = { ...inputs };
  const out = Object.fromEntries(
    Object.entries(want).map(([name, values]) => [
      name,
      given[name]?.shape ?? [values.length],
    ]),
  );
  const opCase = {
    ...{ op, in: inputs, out, attrs, name: `${op} by hand` },
    tolerance: 1e-6,
    reason: "hand values have seven digits",
  } as OpCaseOf<K> as OpCase;
  return { opCase, want };
}

function adamwByHand(scale: number, want: Record<string, number[]>) {
  return hand("adamw", {
    in: {
      param: f32([1], 1),
      grad: f32([1], 2),
      m: f32([1], 0),
      v: f32([1], 0),
      scale: f32([1], scale),
      hyper: f32([3], 0.1, 0.1, 0.01),
    },
    attrs: { n: 1, beta1: 0.9, beta2: 0.99, eps: 1, weightDecay: 0.5 },
    want,
  });
}
