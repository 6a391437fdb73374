/**
 * Fill, sum, scaling, GELU and SwiGLU, with their gradients: bound by memory.
 *
 * Oracle: ../../reference/activations.ts.
 *
 * @module
 */

import { bind, type GpuTensor, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { elementwise } from "../shader/elementwise.ts";
import { geluOf } from "../shader/gelu.ts";
import { sigmoid, SWIGLU_SLOPES } from "../shader/sigmoid.ts";
import { entry, f32 } from "../shader/wgsl.ts";

/** Kernels of the element-wise ops. */
export const elementwiseKernels: Kernels<
  | "fill"
  | "add"
  | "scale"
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

  scale({ in: read, out: write, attrs: { n, factor } }) {
    return [elementwise("scale", {
      n,
      read,
      write,
      body: (at) => `${at.out} = ${f32(factor)} * ${at.x};`,
    })];
  },

  gelu({ in: read, out: write, attrs: { n, tanh } }) {
    const { functions, value } = geluOf(tanh);
    return [elementwise("gelu", {
      n,
      read,
      write,
      functions,
      body: (at) => `
  let x = ${at.x};
  ${at.out} = ${value};`,
    })];
  },

  geluBackward({ in: read, out: write, attrs: { n, tanh } }) {
    const { functions, slope } = geluOf(tanh);
    return [elementwise("geluBackward", {
      n,
      read,
      write,
      functions,
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
  ${SWIGLU_SLOPES}
  ${out}[atGate] = toGate;
  ${out}[atUp] = toUp;`,
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
