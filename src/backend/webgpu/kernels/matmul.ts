/**
 * Matrix products and column sums.
 *
 * Oracle: ../../reference/matmul.ts.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { Dispatch, GpuTensor } from "../dispatch.ts";
import { gemmDispatches, sumsColumns } from "./gemm.ts";
import type { Epilogue } from "../gemm/gemm_epilogue.ts";
import { shapeOf } from "../gemm/gemm_variant.ts";
import { gemvDispatch } from "../gemv/gemv.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import type { KernelContext, Kernels } from "../kernel.ts";
import { columnSums } from "../shader/column_sums.ts";

/** Kernels of the linear ops. */
export const matmulKernels: Kernels<"matmul" | "sumRows"> = {
  matmul: (call, context) => product({ call }, context),

  sumRows({ in: { x, addTo }, out: { out }, attrs: { rows, C } }, context) {
    return columnSums("sumRows", {
      rows,
      C,
      read: { x },
      matrices: ["x"],
      sums: [{ addTo, out, term: ({ x }) => `${x}[i]` }],
    }, context);
  },
};

/** A product, and what is done at once with its results and factors. */
export function product(
  { call: { in: inputs, out, attrs }, neighbours, sums, epilogue }: {
    call: Call<"matmul", GpuTensor>;
    /** See `GemmShape`. */
    neighbours?: string;
    /** Sums over the rows of `b`. */
    sums?: Call<"sumRows", GpuTensor>;
    /** In place of storing the results. */
    epilogue?: Epilogue;
  },
  context: KernelContext,
): Dispatch[] {
  const shape = shapeOf(attrs, neighbours);
  const { M } = shape;
  const tensors = { ...inputs, ...out };
  if (M <= MOST_GEMV_ROWS) return [gemvDispatch(tensors, shape)];
  const variant = context.gemmVariant(shape);
  const together = sums && !variant.apart && sumsColumns(variant);
  const { a, b } = inputs;
  const stored = (factor: GpuTensor) =>
    variant.flow === "matrix"
      ? context.copyOf(factor, variant.unit.scalar) ?? factor
      : factor;
  return [
    ...sums && !together ? matmulKernels.sumRows(sums, context) : [],
    ...gemmDispatches({
      ...tensors,
      a: stored(a),
      b: stored(b),
      ...together && { sums: { ...sums.in, ...sums.out } },
      epilogue,
      scales: { a: context.factorScale(a), b: context.factorScale(b) },
    }, { shape, variant, partials: context.scratch }),
  ];
}
