/**
 * Matrix product and column sums, and what adds and scales element by element.
 *
 * @module
 */

import type { Kernels } from "./kernel.ts";

/** Kernels of the linear ops. */
export const matmulKernels: Kernels<
  "fill" | "add" | "scale" | "matmul" | "sumRows"
> = {
  fill({ out: { out }, attrs: { value } }) {
    out.fill(value);
  },

  add({ in: { a, b }, out: { out }, attrs: { n } }) {
    for (let i = 0; i < n; i++) out[i] = a[i] + b[i];
  },

  scale({ in: { x }, out: { out }, attrs: { n, factor } }) {
    for (let i = 0; i < n; i++) out[i] = factor * x[i];
  },

  matmul({ in: { a, b, bias, addTo }, out: { out }, attrs }) {
    const { M, N, K, transA, transB } = attrs;
    const [aRow, aColumn] = transA ? [1, M] : [K, 1]; // strides of op(a)
    const [bRow, bColumn] = transB ? [1, K] : [N, 1];
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = (bias?.[n] ?? 0) + (addTo?.[m * N + n] ?? 0);
        for (let k = 0; k < K; k++) {
          sum += a[m * aRow + k * aColumn] * b[k * bRow + n * bColumn];
        }
        out[m * N + n] = sum;
      }
    }
  },

  sumRows({ in: { x, addTo }, out: { out }, attrs: { rows, C } }) {
    for (let c = 0; c < C; c++) {
      let sum = addTo?.[c] ?? 0;
      for (let r = 0; r < rows; r++) sum += x[r * C + c];
      out[c] = sum;
    }
  },
};
