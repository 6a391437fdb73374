/**
 * Fill, sum, GELU and SwiGLU, with their gradients: bound by memory.
 *
 * Functions are written out, as the tanh of some drivers overflows to NaN and
 * WGSL has no erf. Oracle: ../../reference/activations.ts.
 *
 * @module
 */

import { bind, type GpuTensor, groupIndex, groups } from "../dispatch.ts";
import { elementwise } from "../elementwise.ts";
import type { Kernels } from "../kernel.ts";
import { entry, f32 } from "../wgsl.ts";

/** sqrt(2 / pi), the inner factor of GELU by tanh. */
const TANH_SCALE = f32(Math.sqrt(2 / Math.PI));
const TANH_CUBIC = 0.044715;

/** tanh by one exp of a number that is never positive: no overflow. */
const TANH = `
fn tanhOf(x: V) -> V {
  let e = exp(-2.0f * abs(x));
  return sign(x) * ((1.0f - e) / (1.0f + e));
}
`;

/**
 * The error function to 1.5e-7.
 * Source: Abramowitz & Stegun 1964, formula 7.1.26.
 */
const ERF = `
fn erfOf(x: V) -> V {
  let z = abs(x);
  let t = V(1.0f) / (1.0f + 0.3275911f * z);
  let p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f +
    t * (-1.453152027f + t * 1.061405429f))));
  return sign(x) * (1.0f - p * exp(-z * z));
}
`;

function sigmoid(width: 1 | 4): string {
  return `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
fn sigmoid(x: V) -> V {
  return 1.0f / (1.0f + exp(min(-x, V(80.0f)))); // exp(89) overflows
}
`;
}

const INNER = `${TANH_SCALE} * (x + ${f32(TANH_CUBIC)} * x * x * x)`;
const SQRT_HALF = f32(Math.SQRT1_2);
const DENSITY = f32(1 / Math.sqrt(2 * Math.PI));

/** Kernels of the element-wise ops. */
export const elementwiseKernels: Kernels<
  | "fill"
  | "add"
  | "gelu"
  | "geluBackward"
  | "swiglu"
  | "swigluBackward"
> = {
  fill({ out: { out }, attrs: { n, value } }) {
    const body = (at: { out: string }) => `${at.out} = V(${f32(value)});`;
    return [elementwise("fill", { n, read: {}, write: { out }, body })];
  },

  add({ in: read, out: write, attrs: { n } }) {
    return [elementwise("add", {
      n,
      read,
      write,
      body: (at) => `${at.out} = ${at.a} + ${at.b};`,
    })];
  },

  gelu({ in: read, out: write, attrs: { n, tanh } }) {
    return [elementwise("gelu", {
      n,
      read,
      write,
      functions: tanh ? TANH : ERF,
      body: (at) => `
  let x = ${at.x};
  ${at.out} = 0.5f * x * (1.0f + ${
        tanh ? `tanhOf(${INNER})` : `erfOf(x * ${SQRT_HALF})`
      });`,
    })];
  },

  geluBackward({ in: read, out: write, attrs: { n, tanh } }) {
    const slope = tanh
      ? `
  let t = tanhOf(${INNER});
  let inner = ${TANH_SCALE} * (1.0f + ${f32(3 * TANH_CUBIC)} * x * x);
  let slope = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;`
      : `
  let slope = 0.5f * (1.0f + erfOf(x * ${SQRT_HALF})) +
    x * ${DENSITY} * exp(-0.5f * x * x);`;
    return [elementwise("geluBackward", {
      n,
      read,
      write,
      functions: tanh ? TANH : ERF,
      body: (at) => `
  let x = ${at.x};
  ${slope}
  ${at.out} = ${at.dOut} * slope;`,
    })];
  },

  swiglu({ in: read, out: write, attrs }) {
    const { bindings, names: { x, out }, width, F, n } = gated(
      read,
      write,
      attrs,
    );
    const count = Math.ceil(n / 256);
    const code = sigmoid(width) + entry(
      256,
      `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let atGate = i / ${F}u * ${2 * F}u + i % ${F}u;
  let gate = ${x}[atGate];
  ${out}[i] = gate * sigmoid(gate) * ${x}[atGate + ${F}u];`,
    );
    return [{ label: "swiglu", bindings, code, workgroups: groups(count) }];
  },

  swigluBackward({ in: read, out: write, attrs }) {
    const { bindings, names: { dOut, x, out }, width, F, n } = gated(
      read,
      write,
      attrs,
    );
    const count = Math.ceil(n / 256);
    const code = sigmoid(width) + entry(
      256,
      `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let atGate = i / ${F}u * ${2 * F}u + i % ${F}u;
  let atUp = atGate + ${F}u;
  let gate = ${x}[atGate];
  let up = ${x}[atUp];
  let dy = ${dOut}[i];
  let s = sigmoid(gate);
  ${out}[atGate] = dy * up * s * (1.0f + gate * (1.0f - s));
  ${out}[atUp] = dy * gate * s;`,
    );
    return [
      { label: "swigluBackward", bindings, code, workgroups: groups(count) },
    ];
  },
};

/** Binds rows of [gate: F | up: F], and counts in vectors where F is whole. */
function gated<R extends string, W extends string>(
  read: Partial<Record<R, GpuTensor>>,
  write: Partial<Record<W, GpuTensor>>,
  { rows, F }: { rows: number; F: number },
) {
  const width: 1 | 4 = F % 4 === 0 ? 4 : 1;
  return {
    ...bind({ read, write }, { vector: width === 4 }),
    width,
    F: F / width,
    n: rows * F / width,
  };
}
