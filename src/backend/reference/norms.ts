/**
 * Layer normalization and RMSNorm, with their gradients.
 *
 * Sources: Ba et al. 2016, https://arxiv.org/abs/1607.06450; Zhang & Sennrich
 * 2019, https://arxiv.org/abs/1910.07467.
 *
 * @module
 */

import type { TensorData } from "../backend.ts";
import type { Kernels } from "./kernel.ts";

/** Kernels of the norms. */
export const normKernels: Kernels<
  | "layerNorm"
  | "layerNormBackward"
  | "rmsNorm"
  | "rmsNormBackward"
  | "normWeightBackward"
> = {
  layerNorm({ in: { x, weight, bias }, out: { out, mean, rstd }, attrs }) {
    const { rows, C, eps } = attrs;
    for (let r = 0; r < rows; r++) {
      const row = x.subarray(r * C, (r + 1) * C);
      const mu = meanOf(C, (c) => row[c]);
      const scale = 1 / Math.sqrt(meanOf(C, (c) => (row[c] - mu) ** 2) + eps);
      for (let c = 0; c < C; c++) {
        out[r * C + c] = (row[c] - mu) * scale * weight[c] + (bias?.[c] ?? 0);
      }
      mean[r] = mu;
      rstd[r] = scale;
    }
  },

  layerNormBackward({ in: inputs, out: { out }, attrs: { rows, C } }) {
    const { dOut, x, weight, mean, rstd, addTo } = inputs;
    for (let r = 0; r < rows; r++) {
      normRowBackward({ dOut, x, weight, mean, rstd, addTo, out }, { r, C });
    }
  },

  rmsNorm({ in: { x, weight }, out: { out, rstd }, attrs }) {
    const { rows, C, eps } = attrs;
    for (let r = 0; r < rows; r++) {
      const row = x.subarray(r * C, (r + 1) * C);
      const scale = 1 / Math.sqrt(meanOf(C, (c) => row[c] ** 2) + eps);
      for (let c = 0; c < C; c++) out[r * C + c] = row[c] * scale * weight[c];
      rstd[r] = scale;
    }
  },

  rmsNormBackward({ in: inputs, out: { out }, attrs: { rows, C } }) {
    const { dOut, x, weight, rstd, addTo } = inputs;
    for (let r = 0; r < rows; r++) {
      normRowBackward({ dOut, x, weight, rstd, addTo, out }, { r, C });
    }
  },

  normWeightBackward({ in: inputs, out: { out }, attrs: { rows, C } }) {
    const { dOut, x, mean, rstd, addTo } = inputs;
    for (let c = 0; c < C; c++) {
      let sum = addTo?.[c] ?? 0;
      for (let r = 0; r < rows; r++) {
        sum += dOut[r * C + c] * (x[r * C + c] - (mean?.[r] ?? 0)) * rstd[r];
      }
      out[c] = sum;
    }
  },
};

/**
 * With n = (x - mean) * rstd and g = dOut * weight:
 * dx = rstd * (g - [average g] - n * average(g * n)).
 * The bracketed term comes from the mean and is absent in RMSNorm.
 */
function normRowBackward(
  t: {
    dOut: TensorData;
    x: TensorData;
    weight: TensorData;
    mean?: TensorData;
    rstd: TensorData;
    addTo?: TensorData;
    out: TensorData;
  },
  { r, C }: { r: number; C: number },
): void {
  const start = r * C, rstd = t.rstd[r], mean = t.mean?.[r] ?? 0;
  const g = (c: number) => t.dOut[start + c] * t.weight[c];
  const n = (c: number) => (t.x[start + c] - mean) * rstd;
  const averageG = t.mean ? meanOf(C, g) : 0;
  const averageGn = meanOf(C, (c) => g(c) * n(c));
  for (let c = 0; c < C; c++) {
    const dx = rstd * (g(c) - averageG - n(c) * averageGn);
    t.out[start + c] = (t.addTo?.[start + c] ?? 0) + dx;
  }
}

function meanOf(n: number, value: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += value(i);
  return sum / n;
}
