/**
 * Matrix products and column sums.
 *
 * Oracle: ../../reference/matmul.ts.
 *
 * @module
 */

import { columnSums } from "../column_sums.ts";
import { gemmDispatches, type GemmShape } from "../gemm.ts";
import { gemvDispatch, MOST_GEMV_ROWS } from "../gemv.ts";
import type { Kernels } from "../kernel.ts";

/** Kernels of the linear ops. */
export const matmulKernels: Kernels<"matmul" | "sumRows"> = {
  matmul({ in: inputs, out, attrs }, context) {
    const { M, N, K } = attrs;
    const shape: GemmShape = {
      M,
      N,
      K,
      transA: attrs.transA === 1,
      transB: attrs.transB === 1,
    };
    const tensors = { ...inputs, ...out };
    if (M <= MOST_GEMV_ROWS) return [gemvDispatch(tensors, shape)];
    return gemmDispatches(tensors, {
      shape,
      variant: context.gemmVariant(shape),
      partials: context.scratch,
    });
  },

  sumRows({ in: { x, addTo }, out: { out }, attrs: { rows, C } }, context) {
    return columnSums("sumRows", {
      rows,
      C,
      read: { x },
      addTo,
      out,
      matrices: ["x"],
      term: ({ x }) => `${x}[i]`,
    }, context);
  },
};
