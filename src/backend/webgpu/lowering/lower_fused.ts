/**
 * Dispatches of calls that fusion.ts found to be one.
 *
 * @module
 */

import { type AnyCall, mapCall, type OpName } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { Dispatch, GpuTensor } from "../dispatch.ts";
import { epilogueOf, type EpilogueOp } from "../gemm/gemm_epilogue.ts";
import { shapeOf } from "../gemm/gemm_variant.ts";
import { gemvDispatch } from "../gemv/gemv.ts";
import { pairEndingOf, type PairOp } from "../gemv/gemv_pairs.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { webgpuKernels } from "../kernels.ts";
import { lookUp } from "../kernels/embedding.ts";
import { product } from "../kernels/matmul.ts";
import { normInput, normSums } from "../kernels/norms.ts";
import { type Fused, inWords } from "./fusion.ts";
import type { FusedFewRows } from "./fusion_few_rows.ts";

/** Calls on their memory. */
type OnViews = <K extends OpName>(
  call: Extract<AnyCall<PlacedTensor>, { op: K }>,
) => Extract<AnyCall<GpuTensor>, { op: K }>;

/** One or two dispatches in place of one or two for each call. */
export function lowerFused(
  { what }: Fused,
  { viewOf, context }: {
    viewOf: (tensor: PlacedTensor) => GpuTensor;
    context: KernelContext;
  },
): Dispatch[] {
  /** The same call, which stays of its op. */
  const onViews: OnViews = <K extends OpName>(
    call: Extract<AnyCall<PlacedTensor>, { op: K }>,
  ) => mapCall(call, viewOf) as Extract<AnyCall<GpuTensor>, { op: K }>;
  if ("weight" in what) {
    const weight = onViews<"normWeightBackward">(what.weight);
    const bias = onViews<"sumRows">(what.bias);
    return normSums({ weight, bias }, context);
  }
  if ("input" in what) {
    const call = onViews<"layerNormBackward" | "rmsNormBackward">(what.input);
    const dropout = onViews<"dropout">(what.dropout);
    const both = normInput({ call, dropout }, context);
    if (both.bindings.length <= context.mostBindings) return [both];
    return [
      normInput({ call }, context),
      ...webgpuKernels.dropout(dropout, context),
    ];
  }
  if ("lookup" in what) {
    return [
      lookUp(onViews<"embedding">(what.lookup), {
        before: onViews<"embedding">(what.before),
      }),
    ];
  }
  if ("fewRows" in what) return lowerFewRows(what, { onViews, context });
  const call = onViews<"matmul">(what.product);
  const sums = what.sums && onViews<"sumRows">(what.sums);
  const neighbours = inWords(what);
  if (!what.after) return product({ call, neighbours, sums }, context);
  const after = onViews<EpilogueOp>(what.after);
  // Its place may be that of a factor, which other workgroups still read.
  const { a, b } = call.in;
  const isFree = [a, b].every(({ memory }) => memory !== after.out.out.memory);
  const { apart } = context.gemmVariant(shapeOf(call.attrs, neighbours));
  if (!isFree || apart) {
    // Call and kernel are of one op, which a lookup cannot express.
    const kernel = webgpuKernels[after.op] as Kernel<EpilogueOp>;
    return [
      ...product({ call, neighbours, sums }, context),
      ...kernel(after, context),
    ];
  }
  const kept = what.isRead ? call.out.out : undefined;
  const epilogue = epilogueOf(after, { kept, context });
  return product({ call, neighbours, sums, epilogue }, context);
}

/** One dispatch, where memory and the adapter allow. */
function lowerFewRows(
  { norm, fewRows, after, isRead }: FusedFewRows,
  { onViews, context }: { onViews: OnViews; context: KernelContext },
): Dispatch[] {
  const call = onViews<"matmul">(fewRows);
  const before = norm && onViews<"layerNorm" | "rmsNorm">(norm);
  const next = after && onViews<EpilogueOp | PairOp>(after);
  const { b, bias, addTo } = call.in;
  const a = before?.in.x ?? call.in.a;
  const { out } = call.out;
  const kept = isRead ? out : undefined;
  const together = gemvDispatch({
    ...{ a, b, bias, addTo, out },
    norm: before && {
      ...{ bias: undefined, ...before.in },
      eps: before.attrs.eps,
      centered: before.op === "layerNorm",
    },
    ending: next &&
      (next.op === "swiglu" || next.op === "rope"
        ? pairEndingOf(next, context)
        : epilogueOf(next, { kept, context })),
  }, shapeOf(call.attrs));
  // Where a result goes may be that of a factor, which others still read.
  const written = [...next ? [next.out.out] : [out], ...kept ? [kept] : []];
  const isFree = [a, b].every(({ memory }) =>
    written.every((tensor) => tensor.memory !== memory)
  );
  if (isFree && together.bindings.length <= context.mostBindings) {
    return [together];
  }
  // Call and kernel are of one op, which a lookup cannot express.
  const alone = (one: { op: OpName }) =>
    (webgpuKernels[one.op] as Kernel<OpName>)(
      one as AnyCall<GpuTensor>,
      context,
    );
  return [before, call, next].flatMap((one) => one ? alone(one) : []);
}
