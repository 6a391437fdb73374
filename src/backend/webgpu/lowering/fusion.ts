/**
 * Neighbouring calls that become one kernel, so that what one makes for the
 * other is never in memory, or what both read is read once:
 *
 * - a product and what its result goes through: GELU, the gradient of GELU or
 *   SwiGLU, dropout (SwiGLU itself reads results of two tiles);
 * - sums over the rows of a gradient (of a bias) and the product that reads it;
 * - a product of few rows, the norm before and more of what comes behind it
 *   (fusion_few_rows.ts);
 * - two row lookups that are added up;
 * - the gradients of a norm's weight and bias;
 * - the gradient of a norm's input and the dropout that it goes through.
 *
 * The program and the other executors do not know. A pure function of the
 * calls.
 *
 * @module
 */

import type { AnyCall, Call } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { EpilogueCall } from "../gemm/gemm_epilogue.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { fewRowsAt, type FusedFewRows } from "./fusion_few_rows.ts";
import { countReaders, endsWith, type Readers } from "./neighbours.ts";

/** A product with its neighbours. */
export interface FusedProduct {
  readonly product: Call<"matmul", PlacedTensor>;
  /** Sums over the rows of the product's `b`; the call before it. */
  readonly sums?: Call<"sumRows", PlacedTensor>;
  /** What its result goes through; the call behind it. */
  readonly after?: EpilogueCall<PlacedTensor>;
  /** Whether somebody else reads the result. */
  readonly isRead: boolean;
}

/** The gradients of a norm's parameters. */
export interface FusedNorm {
  readonly weight: Call<"normWeightBackward", PlacedTensor>;
  readonly bias: Call<"sumRows", PlacedTensor>;
}

/** The gradient of a norm's input, and what it goes through. */
export interface FusedNormInput {
  readonly input:
    | Call<"layerNormBackward", PlacedTensor>
    | Call<"rmsNormBackward", PlacedTensor>;
  readonly dropout: Call<"dropout", PlacedTensor>;
}

/** A row lookup, and one to which it is added. */
export interface FusedLookups {
  readonly before: Call<"embedding", PlacedTensor>;
  readonly lookup: Call<"embedding", PlacedTensor>;
}

/** Calls in a row that are one. */
export interface Fused {
  /** Index of the first, and how many there are. */
  readonly at: number;
  readonly count: number;
  readonly what:
    | FusedProduct
    | FusedFewRows
    | FusedLookups
    | FusedNorm
    | FusedNormInput;
}

/** What a product does beside multiplying: `+ sumRows`, `> gelu` … */
export function inWords({ sums, after, isRead }: FusedProduct): string {
  return [
    ...sums ? ["+ sumRows"] : [],
    ...after ? [`> ${after.op}`] : [],
    ...after && isRead ? ["kept"] : [],
  ].join(" ");
}

/** All of a phase, from first to last; none has a call of another. */
export function findFused(calls: readonly AnyCall<PlacedTensor>[]): Fused[] {
  const readers = countReaders(calls);
  const found: Fused[] = [];
  for (let at = 0; at < calls.length;) {
    const fused = normAt(calls, at) ?? normInputAt(calls, at) ??
      lookupsAt(calls, at, readers) ?? fewRowsAt(calls, at, readers) ??
      productAt(calls, at, readers);
    if (fused) found.push(fused);
    at += fused?.count ?? 1;
  }
  return found;
}

function normAt(
  calls: readonly AnyCall<PlacedTensor>[],
  at: number,
): Fused | null {
  const weight = calls[at], bias = calls[at + 1];
  if (weight.op !== "normWeightBackward" || bias?.op !== "sumRows") return null;
  const isPair = bias.in.x === weight.in.dOut &&
    bias.out.out !== weight.out.out && keepsApart(weight) && keepsApart(bias);
  return isPair ? { at, count: 2, what: { weight, bias } } : null;
}

function normInputAt(
  calls: readonly AnyCall<PlacedTensor>[],
  at: number,
): Fused | null {
  const input = calls[at], dropout = calls[at + 1];
  if (dropout?.op !== "dropout" || dropout.in.addTo) return null;
  if (input.op !== "layerNormBackward" && input.op !== "rmsNormBackward") {
    return null;
  }
  // A block of four random words is for a vector of four numbers.
  const fits = dropout.in.x === input.out.out && input.attrs.C % 4 === 0;
  return fits ? { at, count: 2, what: { input, dropout } } : null;
}

function lookupsAt(
  calls: readonly AnyCall<PlacedTensor>[],
  at: number,
  readers: Readers,
): Fused | null {
  const before = calls[at], lookup = calls[at + 1];
  if (before.op !== "embedding" || lookup?.op !== "embedding") return null;
  const { out } = before.out;
  const isPair = out.kind === "temp" && readers.get(out) === 1 &&
    lookup.in.addTo === out && lookup.in.table !== out &&
    before.in.addTo === undefined;
  return isPair ? { at, count: 2, what: { before, lookup } } : null;
}

function productAt(
  calls: readonly AnyCall<PlacedTensor>[],
  at: number,
  readers: Readers,
): Fused | null {
  const first = calls[at];
  const place = first.op === "sumRows" ? at + 1 : at;
  const product = calls[place], next = calls[place + 1];
  if (product?.op !== "matmul" || !isTiled(product)) return null;
  const sums = first.op === "sumRows" ? first : undefined;
  if (sums && !sumsFactor(sums, product)) return null;
  const isRead = (readers.get(product.out.out) ?? 0) > 1;
  const after = next && endsWith(product, next) &&
      (!isRead || next.op === "gelu") // the others are not written for others
    ? next
    : undefined;
  if (!sums && !after) return null;
  const count = 1 + (sums ? 1 : 0) + (after ? 1 : 0);
  return { at, count, what: { product, sums, after, isRead } };
}

/** Those of few rows have a kernel of their own. */
function isTiled({ attrs: { M, N } }: Call<"matmul", PlacedTensor>): boolean {
  return M > MOST_GEMV_ROWS && N % 4 === 0;
}

/** Whether the rows that are summed are those of a factor as it is stored. */
function sumsFactor(
  sums: Call<"sumRows", PlacedTensor>,
  product: Call<"matmul", PlacedTensor>,
): boolean {
  const { in: { a, b, bias, addTo }, attrs: { N, K, transB } } = product;
  const { rows, C } = sums.attrs;
  const { out } = sums.out;
  return sums.in.x === b && transB === 0 && rows === K && C === N &&
    bias === undefined && keepsApart(sums) &&
    ![a, addTo, product.out.out].includes(out);
}

/** Whether sums go where nothing is read that the other call reads. */
function keepsApart(
  call: Call<"sumRows" | "normWeightBackward", PlacedTensor>,
): boolean {
  const { in: { addTo }, out: { out } } = call;
  return out.kind !== "temp" && (addTo === undefined || addTo === out);
}
