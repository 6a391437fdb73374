/**
 * The optimizer's tensors as a few long arrays.
 *
 * A model has a hundred parameters, most of them small. Laid out in a row,
 * with their gradients and moments in the same order, they are updated by one
 * dispatch in place of a hundred, and the norm of all gradients is one sum.
 * What is between two tensors is 0 and stays 0.
 *
 * @module
 */

import type { AnyCall, Call } from "../../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../../graph/program.ts";
import { sizeOf } from "../../../graph/tensor.ts";
import {
  FLAT_BLOCK,
  FLAT_ROLES,
  type FlatUpdate,
} from "../kernels/flat_adamw.ts";
import { countReaders } from "./neighbours.ts";

/** Some neighbouring `sumSquares` calls, each adding to the one before. */
export type SumChain = readonly Call<"sumSquares", PlacedTensor>[];

/**
 * The updates of a program that can be made flat.
 *
 * @param options.maxBytes Most that one array can have.
 */
export function findFlatUpdates(
  program: Program,
  { maxBytes }: { maxBytes: number },
): FlatUpdate[] {
  const updates: FlatUpdate[] = [];
  const taken = new Set<PlacedTensor>();
  for (const [phase, calls] of Object.entries(program.phases)) {
    let group: Call<"adamw", PlacedTensor>[] = [];
    const close = () => {
      if (group.length > 1) updates.push({ phase, ...layOut(group) });
      group = [];
    };
    for (const call of calls) {
      if (call.op !== "adamw" || !isFree(call, taken)) {
        close();
        continue;
      }
      const fits = 4 * layOut([...group, call]).length <= maxBytes;
      if (group.length > 0 && !(isAlike(group[0], call) && fits)) close();
      group.push(call);
      for (const role of FLAT_ROLES) taken.add(call.in[role]);
    }
    close();
  }
  return updates;
}

/**
 * The chains of sums of a phase, by their last call: what that call adds up
 * to is all that anyone reads.
 */
export function findSumChains(
  calls: readonly AnyCall<PlacedTensor>[],
): Map<AnyCall<PlacedTensor>, SumChain> {
  const readers = countReaders(calls);
  const chains = new Map<AnyCall<PlacedTensor>, SumChain>();
  let chain: Call<"sumSquares", PlacedTensor>[] = [];
  for (const [at, call] of calls.entries()) {
    if (call.op !== "sumSquares" || call.in.x.kind === "temp") continue;
    const before = chain.at(-1);
    const goesOn = before !== undefined && calls[at - 1] === before &&
      before.out.out === call.in.addTo && before.out.out.kind === "temp" &&
      readers.get(before.out.out) === 1;
    if (goesOn) chains.delete(before);
    chain = goesOn ? [...chain, call] : [call];
    if (chain.length > 1 && chain[0].in.addTo?.kind !== "temp") {
      chains.set(call, chain);
    }
  }
  return chains;
}

/** The tensors are persistent, and of no other update. */
function isFree(
  { in: tensors }: Call<"adamw", PlacedTensor>,
  taken: ReadonlySet<PlacedTensor>,
): boolean {
  return FLAT_ROLES.every((role) =>
    tensors[role].kind !== "temp" && !taken.has(tensors[role])
  );
}

/** All but the sizes and the weight decay is the same. */
function isAlike(
  a: Call<"adamw", PlacedTensor>,
  b: Call<"adamw", PlacedTensor>,
): boolean {
  return a.in.scale === b.in.scale && a.in.hyper === b.in.hyper &&
    a.attrs.beta1 === b.attrs.beta1 && a.attrs.beta2 === b.attrs.beta2 &&
    a.attrs.eps === b.attrs.eps;
}

function layOut(
  calls: Call<"adamw", PlacedTensor>[],
): Omit<FlatUpdate, "phase"> {
  let length = 0;
  const starts = calls.map((call) => {
    const start = length;
    const n = sizeOf(call.in.param.shape);
    length += Math.ceil(n / FLAT_BLOCK) * FLAT_BLOCK;
    return start;
  });
  return { calls, starts, length };
}
