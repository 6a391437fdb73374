/**
 * Who reads what a call makes, and whether the next call goes on with it.
 *
 * @module
 */

import type { AnyCall, Call, OpName } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { EpilogueCall, EpilogueOp } from "../gemm/gemm_epilogue.ts";

/** How many calls of a phase read each tensor; absent is none. */
export type Readers = ReadonlyMap<PlacedTensor, number>;

/** The input of each that is the result of the product. */
const EPILOGUES: Readonly<Record<EpilogueOp, "x" | "dOut">> = {
  gelu: "x",
  geluBackward: "dOut",
  swigluBackward: "dOut",
  dropout: "x",
};

/** Counts the readers of all calls. */
export function countReaders(
  calls: readonly AnyCall<PlacedTensor>[],
): Readers {
  const readers = new Map<PlacedTensor, number>();
  for (const call of calls) {
    for (const tensor of new Set(Object.values<PlacedTensor>(call.in))) {
      readers.set(tensor, (readers.get(tensor) ?? 0) + 1);
    }
  }
  return readers;
}

/** Whether a call goes on with the product's result, one by one. */
export function endsWith(
  { out: { out } }: Call<"matmul", PlacedTensor>,
  next: AnyCall<PlacedTensor>,
): next is EpilogueCall<PlacedTensor> {
  if (out.kind !== "temp" || !isEpilogue(next.op)) return false;
  return isOnlyInput(next, EPILOGUES[next.op], out);
}

/** Whether a call reads a tensor under that name and no other. */
export function isOnlyInput(
  call: AnyCall<PlacedTensor>,
  name: string,
  tensor: PlacedTensor,
): boolean {
  const uses = Object.entries<PlacedTensor>(call.in)
    .filter(([, input]) => input === tensor);
  return uses.length === 1 && uses[0][0] === name;
}

function isEpilogue(op: OpName): op is EpilogueOp {
  return op in EPILOGUES;
}
