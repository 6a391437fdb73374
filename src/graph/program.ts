/**
 * A step program: what `plan()` makes of graphs and executors run.
 *
 * One or more *phases* (such as a micro-step, the optimizer update, an
 * evaluation) are fixed lists of calls on tensors at fixed addresses. Phases
 * share the persistent tensors and, as they never overlap in time, the arena
 * of temporaries.
 *
 * @module
 */

import type { AnyCall } from "./ops.ts";
import type { Tensor } from "./tensor.ts";

/** Where a tensor lives, in bytes from the start of its region. */
export interface Placement {
  /** Kept from run to run, or shared by temporaries. */
  readonly region: "persistent" | "arena";
  /** A multiple of {@linkcode ALIGNMENT_BYTES}. */
  readonly offset: number;
}

/** A tensor together with its place. */
export interface PlacedTensor extends Tensor {
  /** Where its first element is. */
  readonly place: Placement;
}

/** Fixed calls over fixed memory. */
export interface Program {
  /** Calls in order of execution, by phase name. */
  readonly phases: Readonly<Record<string, readonly AnyCall<PlacedTensor>[]>>;
  /** Persistent tensors by name. */
  readonly persistent: ReadonlyMap<string, PlacedTensor>;
  /** Size of the region of persistent tensors. */
  readonly persistentBytes: number;
  /** Size of the region shared by the temporaries of all phases. */
  readonly arenaBytes: number;
}

/** Every tensor starts at a multiple of this: one AVX-512 register. */
export const ALIGNMENT_BYTES = 64;
