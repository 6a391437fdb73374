/**
 * How much memory a program takes.
 *
 * @module
 */

import { sizeBytesOf } from "./liveness.ts";
import type { AnyCall } from "./ops.ts";
import type { PlacedTensor, Program } from "./program.ts";

/** Bytes of a whole program, and of its largest tensor. */
export function programMemory(
  { phases, persistentBytes, arenaBytes }: Program,
): { total: number; largest: number } {
  let largest = 0;
  const look = (tensor: PlacedTensor) => {
    largest = Math.max(largest, sizeBytesOf(tensor));
  };
  for (const call of Object.values(phases).flat()) {
    const { in: read, out: written } = call as AnyCall<PlacedTensor>;
    Object.values<PlacedTensor>(read).forEach(look);
    Object.values<PlacedTensor>(written).forEach(look);
  }
  return { total: persistentBytes + arenaBytes, largest };
}
