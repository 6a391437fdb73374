/**
 * How long each temporary of a phase is needed, and which temporaries may
 * hand their memory on to the result that replaces them.
 *
 * @module
 */

import type { Lifetime } from "./arena.ts";
import { type AnyCall, IN_PLACE } from "./ops.ts";
import { describeTensor, sizeOf, type Tensor } from "./tensor.ts";

/** One piece of memory, and the temporaries that use it one after another. */
export interface TempBuffer extends Lifetime {
  readonly tensors: readonly Tensor[];
}

/** Bytes of one element, the same for f32 and u32. */
const ELEMENT_BYTES = 4;

/** Size of a tensor's content. */
export function sizeBytesOf(tensor: Tensor): number {
  return sizeOf(tensor.shape) * ELEMENT_BYTES;
}

/**
 * The buffers that the temporaries of `calls` need.
 *
 * @param options.bytesOf How large a temporary is, where that is not 4 bytes
 * an element; only those of one size share a buffer.
 * @param options.isAlike Whether two of one size may share a buffer.
 * @param options.inPlace False gives every temporary a buffer of its own; for
 * tests that compare the two.
 * @throws {TypeError} If a temporary is read before a call has written it.
 */
export function tempBuffers(
  calls: readonly AnyCall<Tensor>[],
  { inPlace, bytesOf = sizeBytesOf, isAlike = () => true }: {
    inPlace: boolean;
    bytesOf?: (tensor: Tensor) => number;
    isAlike?: (a: Tensor, b: Tensor) => boolean;
  },
): TempBuffer[] {
  const lastUse = lastUses(calls);
  const buffers: { tensors: Tensor[]; start: number; end: number }[] = [];
  const bufferOf = new Map<Tensor, typeof buffers[number]>();
  calls.forEach((call, now) => {
    for (const tensor of Object.values<Tensor>(call.in)) {
      if (tensor.kind === "temp" && !bufferOf.has(tensor)) {
        throw new TypeError(
          `Cannot plan: ${call.op} reads ${describeTensor(tensor)} before ` +
            `a call writes it`,
        );
      }
    }
    const taken = new Set<Tensor>();
    for (const [name, tensor] of Object.entries<Tensor>(call.out)) {
      if (tensor.kind !== "temp") continue;
      const end = lastUse.get(tensor)!;
      const ends = (input: Tensor) =>
        lastUse.get(input) === now && !taken.has(input) &&
        bytesOf(input) === bytesOf(tensor) && isAlike(input, tensor);
      const replaced = inPlace ? replaceable(call, name, ends) : undefined;
      const buffer = replaced && bufferOf.get(replaced)!;
      if (buffer) {
        taken.add(replaced);
        buffer.tensors.push(tensor);
        buffer.end = end;
        bufferOf.set(tensor, buffer);
      } else {
        const fresh = { tensors: [tensor], start: now, end };
        buffers.push(fresh);
        bufferOf.set(tensor, fresh);
      }
    }
  });
  return buffers.map((buffer) => ({
    ...buffer,
    sizeBytes: bytesOf(buffer.tensors[0]),
  }));
}

/** Index of the last call that reads, or else writes, each temporary. */
function lastUses(calls: readonly AnyCall<Tensor>[]): Map<Tensor, number> {
  const lastUse = new Map<Tensor, number>();
  calls.forEach((call, now) => {
    for (const tensors of [call.in, call.out]) {
      for (const tensor of Object.values<Tensor>(tensors)) {
        if (tensor.kind === "temp") lastUse.set(tensor, now);
      }
    }
  });
  return lastUse;
}

/**
 * The input whose memory an output of `call` may take over.
 *
 * @param ends Whether an input is a temporary that ends with this call and
 * takes as many bytes.
 */
function replaceable(
  call: AnyCall<Tensor>,
  outName: string,
  ends: (input: Tensor) => boolean,
): Tensor | undefined {
  const inputs: Record<string, Tensor> = call.in;
  const outputs: Record<string, Tensor> = call.out;
  const candidates = IN_PLACE[call.op]?.[outName] ?? [];
  return candidates.map((name) => inputs[name]).find((input) =>
    input && ends(input) &&
    sizeOf(input.shape) === sizeOf(outputs[outName].shape) &&
    // Read under a second name too, it may be needed in another order.
    Object.values(inputs).filter((other) => other === input).length === 1
  );
}
