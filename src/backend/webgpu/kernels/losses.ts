/**
 * Cross entropy per row and its mean, with their gradients.
 *
 * Oracle: ../../reference/losses.ts.
 *
 * @module
 */

import { IGNORED_TARGET } from "../../../graph/ops.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { across, beginRow, elementType, rowShape } from "../rows.ts";
import { entry, f32, lines, reductions } from "../wgsl.ts";

const IGNORED = `${IGNORED_TARGET}u`;
/** Below every finite number that a logit can be. */
const LOWEST = "-3.4028234e38f";

/** Kernels of the loss. */
export const lossKernels: Kernels<
  "crossEntropy" | "crossEntropyBackward" | "meanLoss" | "meanLossBackward"
> = {
  crossEntropy({ in: read, out: write, attrs: { rows, V } }) {
    const shape = rowShape(V);
    const { width, CV, threads } = shape;
    const vector = width === 4 ? ["logits"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { logits, targets, rowLoss, lse } = names;
    const component = width === 4 ? "[target_ & 3u]" : "";
    const perRow = (body: string) =>
      `for (var c = lane; c < ${CV}u; c += ${threads}u) { ${body} }`;
    const most = width === 4
      ? "max(max(most.x, most.y), max(most.z, most.w))"
      : "most";
    const code = elementType(shape) + reductions(threads) + entry(
      threads,
      `
  ${beginRow(rows, shape)}
  var most = V(${LOWEST});
  ${perRow(`most = max(most, ${logits}[start + c]);`)}
  let largest = maxAll(${most}, lane);
  var sum = V();
  ${perRow(`sum += exp(${logits}[start + c] - largest);`)}
  let total = largest + log(sumAll(${across(shape, "sum")}, lane));
  if (lane == 0u) {
    let given = ${targets}[row];
    let target_ = min(given, ${V - 1}u); // inside of the row, whatever it says
    var loss = 0.0f;
    if (given != ${IGNORED}) {
      loss = total - ${logits}[start + target_ / ${width}u]${component};
    }
    ${rowLoss}[row] = loss;
    ${lse}[row] = total;
  }`,
    );
    return [
      { label: "crossEntropy", bindings, code, workgroups: groups(rows) },
    ];
  },

  crossEntropyBackward({ in: read, out: write, attrs: { rows, V } }) {
    const isWhole = V % 4 === 0;
    // Rows that are filled up are written four at a time, and read one by one.
    const row = write.out.row ?? V;
    const width = row % 4 === 0 ? 4 : 1, VV = row / width;
    const vector = [
      ...isWhole ? ["logits"] : [],
      ...width === 4 ? ["out"] : [],
    ];
    const { bindings, names } = bind({ read, write }, { vector });
    const { dRowLoss, logits, targets, lse, out } = names;
    const n = rows * VV, count = Math.ceil(n / 256);
    const onehot = isWhole
      ? `select(V(), V(1.0f), vec4<u32>(target_) == v + vec4<u32>(0u, 1u, 2u, 3u))`
      : `select(0.0f, 1.0f, target_ == v)`;
    const one = (to: string, { at, v }: { at: string; v: string }) =>
      `${to} = ${dRowLoss}[row] * (exp(${logits}[${at}] - ${lse}[row]) - ` +
      `${onehot.replaceAll("== v", `== ${v}`)});`;
    const each = isWhole || width === 1
      ? one("gradient", { at: "i", v: "v" })
      : lines(4, (j) => `
    if (v + ${j}u < ${V}u) {
      ${
        one(`gradient.${"xyzw"[j]}`, {
          at: `row * ${V}u + v + ${j}u`,
          v: `v + ${j}u`,
        })
      }
    }`);
    const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
${
      entry(
        256,
        `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let row = i / ${VV}u;
  let v = i % ${VV}u * ${width}u;
  let target_ = ${targets}[row];
  var gradient = V();
  if (target_ != ${IGNORED}) {
    ${each}
  }
  ${out}[i] = gradient;`,
      )
    }`;
    return [{
      label: "crossEntropyBackward",
      bindings,
      code,
      workgroups: groups(count),
    }];
  },

  meanLoss({ in: read, out: write, attrs: { rows, scale } }) {
    const { bindings, names } = bind({ read, write });
    const { rowLoss, targets, addTo, loss } = names;
    const code = reductions(256) + entry(
      256,
      `
  var sum = 0.0f;
  var valid = 0.0f;
  for (var r = lane; r < ${rows}u; r += 256u) {
    if (${targets}[r] != ${IGNORED}) {
      sum += ${rowLoss}[r];
      valid += 1.0f;
    }
  }
  let total = sumAll(sum, lane);
  let mean = total / max(1.0f, sumAll(valid, lane));
  if (lane == 0u) {
    ${loss}[0] = ${addTo ? `${addTo}[0] + ` : ""}${f32(scale)} * mean;
  }`,
    );
    return [{ label: "meanLoss", bindings, code, workgroups: [1, 1, 1] }];
  },

  meanLossBackward({ in: read, out: write, attrs: { rows, scale } }) {
    const { bindings, names } = bind({ read, write });
    const { dLoss, targets, out } = names;
    const code = reductions(256) + entry(
      256,
      `
  var valid = 0.0f;
  for (var r = lane; r < ${rows}u; r += 256u) {
    if (${targets}[r] != ${IGNORED}) { valid += 1.0f; }
  }
  let share = ${dLoss}[0] * ${f32(scale)} / max(1.0f, sumAll(valid, lane));
  for (var r = lane; r < ${rows}u; r += 256u) {
    ${out}[r] = select(share, 0.0f, ${targets}[r] == ${IGNORED});
  }`,
    );
    return [
      { label: "meanLossBackward", bindings, code, workgroups: [1, 1, 1] },
    ];
  },
};
