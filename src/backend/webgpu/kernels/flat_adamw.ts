/**
 * AdamW of many parameters at once; see ../lowering/flat_update.ts.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry } from "../shader/wgsl.ts";
import { adamwStatements } from "./optimizer.ts";

/** Tensors begin at multiples of this, and share a weight decay within it. */
export const FLAT_BLOCK = 1024;

/** What AdamW works on, in four arrays of the same layout. */
export const FLAT_ROLES = ["param", "grad", "m", "v"] as const;

/** One of these arrays. */
export type FlatRole = typeof FLAT_ROLES[number];

/** Some neighbouring `adamw` calls that become one dispatch. */
export interface FlatUpdate {
  readonly phase: string;
  readonly calls: readonly Call<"adamw", PlacedTensor>[];
  /** Where the tensors of each call begin, in elements. */
  readonly starts: readonly number[];
  /** Elements of each array. */
  readonly length: number;
}

/** One dispatch for all calls of an update: a workgroup per block. */
export function flatAdamw(
  { calls, starts, length }: FlatUpdate,
  tensors: Record<FlatRole | "scale" | "hyper", GpuTensor>,
  context: KernelContext,
): Dispatch {
  const blocks = length / FLAT_BLOCK;
  const decays = new Float32Array(blocks);
  calls.forEach(({ attrs: { n, weightDecay } }, i) => {
    const first = starts[i] / FLAT_BLOCK;
    decays.fill(weightDecay, first, first + Math.ceil(n / FLAT_BLOCK));
  });
  const { param, grad, m, v, scale, hyper } = tensors;
  const { bindings, names } = bind({
    read: { grad, scale, hyper, decays: context.table(decays) },
    write: { param, m, v },
  }, { vector: ["grad", "param", "m", "v"] });
  const { attrs } = calls[0];
  const threads = FLAT_BLOCK / 4;
  const code = `
alias V = vec4<f32>;
${
    entry(
      threads,
      `
  let block = ${groupIndex(blocks)};
  if (block >= ${blocks}u) { return; }
  let i = block * ${threads}u + lane;
  ${
        adamwStatements(attrs, {
          param: `${names.param}[i]`,
          grad: `${names.grad}[i]`,
          m: `${names.m}[i]`,
          v: `${names.v}[i]`,
          scale: names.scale,
          hyper: names.hyper,
          weightDecay: `${names.decays}[block]`,
        })
      }`,
    )
  }`;
  return { label: "adamw", bindings, code, workgroups: groups(blocks) };
}
