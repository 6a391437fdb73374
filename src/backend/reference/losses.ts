/**
 * Cross entropy per row and its mean, with their gradients.
 *
 * @module
 */

import { IGNORED_TARGET } from "../../graph/ops.ts";
import type { TensorData } from "../backend.ts";
import type { Kernels } from "./kernel.ts";

/** Kernels of the loss. */
export const lossKernels: Kernels<
  "crossEntropy" | "crossEntropyBackward" | "meanLoss" | "meanLossBackward"
> = {
  crossEntropy({ in: { logits, targets }, out: { rowLoss, lse }, attrs }) {
    const { rows, V } = attrs;
    for (let r = 0; r < rows; r++) {
      const row = logits.subarray(r * V, (r + 1) * V);
      const value = logSumExp(row);
      const ignored = targets[r] === IGNORED_TARGET;
      if (!ignored) expectTarget(targets[r], V);
      rowLoss[r] = ignored ? 0 : value - row[targets[r]];
      lse[r] = value;
    }
  },

  crossEntropyBackward({ in: inputs, out: { out }, attrs: { rows, V } }) {
    const { dRowLoss, logits, targets, lse } = inputs;
    for (let r = 0; r < rows; r++) {
      for (let v = 0; v < V; v++) {
        const probability = Math.exp(logits[r * V + v] - lse[r]);
        const onehot = v === targets[r] ? 1 : 0;
        const ignored = targets[r] === IGNORED_TARGET;
        out[r * V + v] = ignored ? 0 : dRowLoss[r] * (probability - onehot);
      }
    }
  },

  meanLoss({ in: { rowLoss, targets, addTo }, out: { loss }, attrs }) {
    let sum = 0;
    for (let r = 0; r < attrs.rows; r++) {
      if (targets[r] !== IGNORED_TARGET) sum += rowLoss[r];
    }
    const mean = sum / countRows(targets);
    loss[0] = (addTo?.[0] ?? 0) + attrs.scale * mean;
  },

  meanLossBackward({ in: { dLoss, targets }, out: { out }, attrs }) {
    const share = dLoss[0] * attrs.scale / countRows(targets);
    for (let r = 0; r < attrs.rows; r++) {
      out[r] = targets[r] === IGNORED_TARGET ? 0 : share;
    }
  },
};

/** log(sum(exp(row))), moved by the largest value so that nothing overflows. */
function logSumExp(row: TensorData): number {
  let largest = -Infinity, sum = 0;
  for (const value of row) largest = Math.max(largest, value);
  for (const value of row) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** Rows that are not ignored; at least 1, so that a mean of nothing is 0. */
function countRows(targets: TensorData): number {
  let count = 0;
  for (const target of targets) if (target !== IGNORED_TARGET) count++;
  return Math.max(1, count);
}

function expectTarget(target: number, V: number): void {
  if (target >= V) {
    throw new RangeError(`Cannot take target ${target} of ${V} logits`);
  }
}
