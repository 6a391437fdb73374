/**
 * Gradient norm, clipping and AdamW. Nothing here waits for the host: a step
 * that is not finite is skipped on the device.
 *
 * Oracle: ../../reference/optimizer.ts.
 *
 * @module
 */

import { SUM_CHUNK } from "../../../graph/ops.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { elementwise } from "../shader/elementwise.ts";
import { entry, f32, IS_FINITE, lines, reductions } from "../shader/wgsl.ts";

/** Added to the norm before the division, as PyTorch's clip_grad_norm_. */
const NORM_EPS = 1e-6;

/** Kernels of the optimizer update. */
export const optimizerKernels: Kernels<
  "sumSquares" | "clipScale" | "recordStep" | "adamw"
> = {
  sumSquares({ in: { x, addTo }, out: { out, partials }, attrs: { n } }) {
    const label = "sumSquares", chunks = partials.length;
    const first = bind({ read: { x }, write: { partials } });
    const second = bind({ read: { partials, addTo }, write: { out } });
    const turns = SUM_CHUNK / 256 / 8;
    return [{
      label,
      bindings: first.bindings,
      code: reductions(256) + entry(
        256,
        `
  var sum = 0.0f;
  let chunk = ${groupIndex(chunks)};
  if (chunk >= ${chunks}u) { return; }
  let begin = chunk * ${SUM_CHUNK}u + lane;
  for (var turn = 0u; turn < ${turns}u; turn++) {
    let i = begin + turn * 2048u;
${
          lines(8, (j) => `
    if (i + ${256 * j}u < ${n}u) {
      let value = ${first.names.x}[i + ${256 * j}u];
      sum += value * value;
    }`)
        }
  }
  let total = sumAll(sum, lane);
  if (lane == 0u) { ${first.names.partials}[chunk] = total; }`,
      ),
      workgroups: groups(chunks),
    }, {
      label,
      bindings: second.bindings,
      code: reductions(256) + entry(
        256,
        `
  var sum = 0.0f;
  for (var i = lane; i < ${chunks}u; i += 256u) {
    sum += ${second.names.partials}[i];
  }
  let total = sumAll(sum, lane);
  if (lane == 0u) {
    ${second.names.out}[0] = ${addTo ? `${second.names.addTo}[0] + ` : ""}total;
  }`,
      ),
      workgroups: [1, 1, 1],
    }];
  },

  clipScale({ in: read, out: write, attrs: { maxNorm } }) {
    const { bindings, names } = bind({ read, write });
    const factor = maxNorm === 0
      ? "1.0f"
      : `min(1.0f, ${f32(maxNorm)} / (norm + ${f32(NORM_EPS)}))`;
    const code = IS_FINITE + entry(
      1,
      `
  // As it is in memory: of what they compute, compilers may think that it is
  // never infinite or NaN.
  let squares = ${names.sumSquares}[0];
  let norm = sqrt(squares);
  ${names.gradNorm}[0] = norm;
  ${names.scale}[0] = select(0.0f, ${factor}, isFinite(squares));`,
    );
    return [{ label: "clipScale", bindings, code, workgroups: [1, 1, 1] }];
  },

  recordStep({ in: read, out: write }) {
    const { bindings, names } = bind({ read, write });
    const { loss, gradNorm, scale, slot, schedule, log, hyper } = names;
    const code = entry(
      1,
      `
  let row = ${slot}[0];
  var before = 0.0f;
  if (row > 0u) { before = ${log}[4u * row - 1u]; }
  let factor = ${scale}[0];
  ${log}[4u * row] = ${loss}[0];
  ${log}[4u * row + 1u] = ${gradNorm}[0];
  ${log}[4u * row + 2u] = factor;
  ${log}[4u * row + 3u] = before + select(1.0f, 0.0f, factor == 0.0f);
  let update = 3u * u32(before);
  ${hyper}[0] = ${schedule}[3u * row];
  ${hyper}[1] = ${schedule}[update + 1u];
  ${hyper}[2] = ${schedule}[update + 2u];`,
    );
    return [{ label: "recordStep", bindings, code, workgroups: [1, 1, 1] }];
  },

  adamw({ in: inputs, out: write, attrs }) {
    const { scale, hyper, ...read } = inputs;
    return [elementwise("adamw", {
      n: attrs.n,
      read,
      write,
      scalars: { scale, hyper },
      body: (at) =>
        adamwStatements(attrs, {
          ...at,
          scale: "scale",
          hyper: "hyper",
          weightDecay: f32(attrs.weightDecay),
        }),
    })];
  },
};

/**
 * WGSL: updates one element, of type V, or leaves the shader if the step is
 * skipped. `scale` and `hyper` are arrays, the others expressions.
 */
export function adamwStatements(
  { beta1, beta2, eps }: { beta1: number; beta2: number; eps: number },
  at: Record<
    "param" | "grad" | "m" | "v" | "scale" | "hyper" | "weightDecay",
    string
  >,
): string {
  return `
  let factor = ${at.scale}[0];
  if (factor == 0.0f) { return; }
  let lr = ${at.hyper}[0];
  let g = ${at.grad} * factor;
  let mean = ${f32(beta1)} * ${at.m} + ${f32(1 - beta1)} * g;
  let square = ${f32(beta2)} * ${at.v} + ${f32(1 - beta2)} * (g * g);
  ${at.m} = mean;
  ${at.v} = square;
  let p = ${at.param};
  let decayed = p - lr * ${at.weightDecay} * p;
  ${at.param} = decayed - lr * (mean / ${at.hyper}[1]) /
    (sqrt(square / ${at.hyper}[2]) + ${f32(eps)});`;
}
