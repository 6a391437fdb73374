/**
 * A product of few rows with its neighbours: the norm before it, and what its
 * result goes through. In generation these are a token's dispatches, each of
 * which waits for the one before.
 *
 * @module
 */

import type { AnyCall, Call } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { EpilogueCall } from "../gemm/gemm_epilogue.ts";
import { shapeOf } from "../gemm/gemm_variant.ts";
import { storesVectors } from "../gemv/gemv.ts";
import { canNormalize, type NormCall } from "../gemv/gemv_norm.ts";
import { canPair, type PairCall } from "../gemv/gemv_pairs.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { endsWith, isOnlyInput, type Readers } from "./neighbours.ts";

type Product = Call<"matmul", PlacedTensor>;

/** A product of few rows with its neighbours. */
export interface FusedFewRows {
  /** What its rows go through; the call before it. */
  readonly norm?: NormCall<PlacedTensor>;
  readonly fewRows: Product;
  /** What its result goes through; the call behind it. */
  readonly after?: EpilogueCall<PlacedTensor> | PairCall<PlacedTensor>;
  /** Whether somebody else reads the result. */
  readonly isRead: boolean;
}

/** Such calls from `at` on. */
export function fewRowsAt(
  calls: readonly AnyCall<PlacedTensor>[],
  at: number,
  readers: Readers,
): { at: number; count: number; what: FusedFewRows } | null {
  const before = isNorm(calls[at]) ? calls[at] : undefined;
  const place = before ? at + 1 : at;
  const product = calls[place], next = calls[place + 1];
  if (product?.op !== "matmul" || product.attrs.M > MOST_GEMV_ROWS) return null;
  if (before && !beginsWith(before, product, readers)) return null;
  const isRead = (readers.get(product.out.out) ?? 0) > 1;
  const after = next && goesOnWith(product, next, isRead) ? next : undefined;
  if (!before && !after) return null;
  const count = 1 + (before ? 1 : 0) + (after ? 1 : 0);
  return { at, count, what: { norm: before, fewRows: product, after, isRead } };
}

function isNorm(
  call: AnyCall<PlacedTensor>,
): call is NormCall<PlacedTensor> {
  return call.op === "layerNorm" || call.op === "rmsNorm";
}

/** Whether a norm is for the product alone, which can do it. */
function beginsWith(
  norm: NormCall<PlacedTensor>,
  product: Product,
  readers: Readers,
): boolean {
  const { rows, C } = norm.attrs;
  const { M, K, transA } = product.attrs;
  const { out, ...statistics } = norm.out;
  return transA === 0 && rows === M && C === K && canNormalize(product.attrs) &&
    isOnlyInput(product, "a", out) && readers.get(out) === 1 &&
    out.kind === "temp" &&
    Object.values<PlacedTensor>(statistics).every((tensor) =>
      tensor.kind === "temp" && !readers.has(tensor)
    );
}

function goesOnWith(
  product: Product,
  next: AnyCall<PlacedTensor>,
  isRead: boolean,
): next is EpilogueCall<PlacedTensor> | PairCall<PlacedTensor> {
  if (!storesVectors(shapeOf(product.attrs))) return false;
  if (endsWith(product, next)) {
    return !isRead || next.op === "gelu"; // others are not written for others
  }
  const { out } = product.out;
  return (next.op === "swiglu" || next.op === "rope") && canPair(next) &&
    out.kind === "temp" && !isRead && isOnlyInput(next, "x", out) &&
    product.in.bias === undefined && product.in.addTo === undefined;
}
