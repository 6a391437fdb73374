/**
 * Ops at the edges of f32: values so large that a function saturates or a sum
 * overflows, rows without variance, and numbers that are not finite.
 *
 * A run must survive these: a step whose gradient is not finite is skipped,
 * which needs the kernels to pass such numbers on, and then not to use them.
 *
 * @module
 */

import { type Bit, IGNORED_TARGET } from "../../src/graph/ops.ts";
import { f32, normal, opCase, u32 } from "./_op_inputs.ts";
import type { OpCase } from "./_run_op_case.ts";

/** Where exp, tanh and erf of f32 have long saturated, and around zero. */
const EXTREME = [-1e4, -100, -30, -8, -1e-20, 0, 1e-20, 8, 30, 100, 1e4];
const n = EXTREME.length;

/** Cases for all executors; part of the table in _op_cases.ts. */
export const opEdgeCases: readonly OpCase[] = [
  ...([0, 1] as Bit[]).flatMap((tanh) => [
    opCase("gelu", `of extreme values${tanh ? " tanh" : ""}`, {
      in: { x: f32([n], ...EXTREME) },
      out: { out: [n] },
      attrs: { n, tanh },
      tolerance: 1e-6,
      reason: "x or 0, but for a rounding",
    }),
    opCase("geluBackward", `of extreme values${tanh ? " tanh" : ""}`, {
      in: { dOut: normal(1, [n]), x: f32([n], ...EXTREME) },
      out: { out: [n] },
      attrs: { n, tanh },
      tolerance: 1e-6,
      reason: "a slope of 0, 1/2 or 1, but for a rounding",
    }),
  ]),
  opCase("swiglu", "of extreme gates", {
    in: { x: f32([1, 2 * n], ...EXTREME, ...EXTREME.toReversed()) },
    out: { out: [1, n] },
    attrs: { rows: 1, F: n },
    tolerance: 1e-6,
    reason: "a product, but for some roundings",
  }),
  opCase("swigluBackward", "of extreme gates", {
    in: {
      dOut: normal(1, [1, n]),
      x: f32([1, 2 * n], ...EXTREME, ...EXTREME.toReversed()),
    },
    out: { out: [1, 2 * n] },
    attrs: { rows: 1, F: n },
    tolerance: 1e-6,
    reason: "a product, but for some roundings",
  }),

  opCase("layerNorm", "of rows without variance", {
    in: {
      x: f32([2, 5], ...Array(5).fill(0), ...Array(5).fill(7)),
      weight: normal(1, [5]),
      bias: normal(2, [5]),
    },
    out: { out: [2, 5], mean: [2], rstd: [2] },
    attrs: { rows: 2, C: 5, eps: 1e-5 },
    tolerance: 5e-4,
    reason: "rstd is 316, and a mean of 7 may be off by a rounding of 5e-7",
  }),
  opCase("rmsNorm", "of a row of zeros", {
    in: { x: f32([1, 5], 0, 0, 0, 0, 0), weight: normal(1, [5]) },
    out: { out: [1, 5], rstd: [1] },
    attrs: { rows: 1, C: 5, eps: 1e-5 },
    tolerance: 1e-6,
    reason: "one division and one root",
  }),

  opCase("meanLoss", "all rows ignored", {
    in: {
      rowLoss: normal(1, [2]),
      targets: u32(IGNORED_TARGET, IGNORED_TARGET),
    },
    out: { loss: [1] },
    attrs: { rows: 2, scale: 1 },
    tolerance: 0,
    reason: "the mean of nothing is taken as 0",
  }),
  opCase("meanLossBackward", "all rows ignored", {
    in: { dLoss: f32([1], 1), targets: u32(IGNORED_TARGET, IGNORED_TARGET) },
    out: { out: [2] },
    attrs: { rows: 2, scale: 1 },
    tolerance: 0,
    reason: "an ignored row has gradient 0",
  }),

  ...[NaN, Infinity, -Infinity, 1e30].flatMap((value) => [
    opCase("sumSquares", `of 20 numbers and ${value}`, {
      in: { x: withLast(normal(1, [21]), value) },
      out: { out: [1], partials: [1] },
      attrs: { n: 21 },
      tolerance: 0,
      reason: "NaN, or Infinity, also where f32 overflows",
    }),
    opCase("adamw", `skips a gradient with ${value}`, {
      in: {
        param: normal(1, [21]),
        grad: withLast(normal(2, [21]), value),
        m: normal(3, [21]),
        v: f32([21], ...Array(21).fill(1)),
        scale: f32([1], 0),
        hyper: f32([3], 1e-2, 0.1, 0.05),
      },
      out: { param: [21], m: [21], v: [21] },
      attrs: { n: 21, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 },
      tolerance: 0,
      reason: "with scale 0 nothing is written",
    }),
    opCase("add", `of ${value}`, {
      in: { a: withLast(normal(1, [21]), value), b: normal(2, [21]) },
      out: { out: [21] },
      attrs: { n: 21 },
      tolerance: 0,
      reason: "NaN and Infinity are passed on",
    }),
  ]),
];

/** The same numbers with the last one replaced. */
function withLast(
  { shape, data }: { shape: number[]; data: Float32Array },
  value: number,
): { shape: number[]; data: Float32Array } {
  return { shape, data: data.with(data.length - 1, value) };
}
