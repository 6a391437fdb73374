/**
 * Makes a step program of graphs: gives every tensor its place in memory.
 *
 * Persistent tensors are merged by name and laid out one after another.
 * Temporaries share an arena by their lifetimes; all phases use the same one,
 * as they never run at the same time.
 *
 * @module
 */

import { align, assignOffsets } from "./arena.ts";
import type { Graph } from "./graph.ts";
import { sizeBytesOf, tempBuffers } from "./liveness.ts";
import { type AnyCall, mapCall } from "./ops.ts";
import type { PlacedTensor, Program } from "./program.ts";
import { describeTensor, sameShape, type Tensor } from "./tensor.ts";

/**
 * Plans one program of the given phases.
 *
 * @param options.inPlace Whether results may take the place of inputs that
 * nobody reads later; only tests turn it off.
 * @throws {TypeError} If two phases use one name for different tensors.
 */
export function plan(
  phases: Readonly<Record<string, Graph>>,
  { inPlace = true }: { inPlace?: boolean } = {},
): Program {
  const { persistent, persistentBytes } = placePersistent(phases);
  const planned: Record<string, AnyCall<PlacedTensor>[]> = {};
  let arenaBytes = 0;
  for (const [phase, { calls }] of Object.entries(phases)) {
    const buffers = tempBuffers(calls, { inPlace });
    const { offsets, totalBytes } = assignOffsets(buffers);
    arenaBytes = Math.max(arenaBytes, totalBytes);
    const temps = new Map<Tensor, PlacedTensor>();
    buffers.forEach(({ tensors }, i) => {
      for (const tensor of tensors) {
        const place = { region: "arena", offset: offsets[i] } as const;
        temps.set(tensor, { ...tensor, place });
      }
    });
    const placed = (tensor: Tensor) =>
      temps.get(tensor) ?? persistent.get(tensor.name)!;
    planned[phase] = calls.map((call) => mapCall(call, placed));
  }
  return { phases: planned, persistent, persistentBytes, arenaBytes };
}

/** Merges the persistent tensors of all phases and lays them out in a row. */
function placePersistent(phases: Readonly<Record<string, Graph>>) {
  const persistent = new Map<string, PlacedTensor>();
  let persistentBytes = 0;
  for (const [phase, { named }] of Object.entries(phases)) {
    for (const tensor of named.values()) {
      const known = persistent.get(tensor.name);
      if (known) {
        expectSame(phase, tensor, known);
        continue;
      }
      const place = { region: "persistent", offset: persistentBytes } as const;
      persistent.set(tensor.name, { ...tensor, place });
      persistentBytes += align(sizeBytesOf(tensor));
    }
  }
  return { persistent, persistentBytes };
}

function expectSame(phase: string, tensor: Tensor, known: Tensor): void {
  if (
    tensor.kind !== known.kind || tensor.dtype !== known.dtype ||
    !sameShape(tensor.shape, known.shape)
  ) {
    throw new TypeError(
      `Cannot plan phase "${phase}": it has ${describeTensor(tensor)}, ` +
        `another phase has ${describeTensor(known)}`,
    );
  }
}
