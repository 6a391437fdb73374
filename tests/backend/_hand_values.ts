/**
 * Every op against numbers that were worked out on paper.
 *
 * @module
 */

import { IGNORED_TARGET, type OpName } from "../../src/graph/ops.ts";
import { f32, u32 } from "./_op_inputs.ts";
import type { OpCase, OpCaseOf, OpInput } from "./_run_op_case.ts";

/** Natural logarithms that make softmax give quarters. */
const LN3 = 1.0986122886681098, LN4 = 1.3862943611198906;

/** A case, and its results by their names. */
export const handValues: readonly {
  opCase: OpCase;
  want: Record<string, number[]>;
}[] = [
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
