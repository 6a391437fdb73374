/**
 * Cuts device memory into few buffers and gives every piece its place.
 *
 * WebGPU tracks how a dispatch uses a whole buffer: one that is written may
 * not be bound for reading only as well. So pieces that a dispatch reads lie
 * in other buffers than those it writes, as far as that is possible: each
 * piece takes the first buffer that has none of the pieces it must keep apart
 * from. Within the buffers of temporaries, pieces that are never needed at
 * the same time share memory (graph/arena.ts).
 *
 * @module
 */

import { assignOffsets } from "../../graph/arena.ts";
import type { GpuTensor, Memory } from "./dispatch.ts";
import type { LoweredProgram } from "./lower.ts";

/** Where a piece of memory lies. */
export interface Place {
  /** Number of the buffer. */
  readonly buffer: number;
  /** In bytes. */
  readonly offset: number;
}

/** Buffers, and the place of every piece. */
export interface MemoryPlan {
  /** Size of each buffer in bytes. */
  readonly buffers: readonly number[];
  readonly places: ReadonlyMap<Memory, Place>;
  /** The buffer of what only the host writes; absent if there is nothing. */
  readonly inputBuffer: number | null;
}

/** What the adapter allows. */
export interface MemoryLimits {
  /** Offsets of bindings are multiples of this. */
  readonly alignment: number;
  readonly maxBufferBytes: number;
}

/** Places everything that a program binds. */
export function planMemory(
  { phases, persistent }: LoweredProgram,
  { alignment, maxBufferBytes }: MemoryLimits,
): MemoryPlan {
  const memories = new Set<Memory>();
  for (const { memory } of persistent.values()) memories.add(memory);
  const rivals = new Map<Memory, Set<Memory>>();
  for (const { bindings } of [...phases.values()].flat()) {
    const written = new Set<Memory>(), read = new Set<Memory>();
    for (const binding of bindings) {
      const { memory } = binding.tensor;
      memories.add(memory);
      (binding.written ? written : read).add(memory);
    }
    for (const a of written) {
      for (const b of read.difference(written)) {
        addTo(rivals, a, b);
        addTo(rivals, b, a);
      }
    }
  }

  const buffers: number[] = [];
  const places = new Map<Memory, Place>();
  const roundUp = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  /** Gives `pieces` the buffers from number `first` on. */
  const place = (
    pieces: readonly Memory[],
    first: number,
    offsetsOf: typeof assignOffsets,
  ) => {
    let next = first;
    for (const group of keepApart(pieces, rivals)) {
      for (const part of fit(group)) {
        buffers[next] = Math.max(buffers[next] ?? 0, part.totalBytes);
        part.pieces.forEach((memory, i) => {
          places.set(memory, { buffer: next, offset: part.offsets[i] });
        });
        next++;
      }
    }
    function fit(
      group: readonly Memory[],
    ): { pieces: readonly Memory[]; offsets: number[]; totalBytes: number }[] {
      const { offsets, totalBytes } = offsetsOf(group.map((memory) => {
        const { lifetime, sizeBytes } = memory;
        const { start, end } = typeof lifetime === "object"
          ? lifetime
          : { start: 0, end: 0 };
        return { sizeBytes: roundUp(sizeBytes), start, end };
      }));
      if (totalBytes <= maxBufferBytes || group.length === 1) {
        return [{ pieces: group, offsets, totalBytes }];
      }
      const half = Math.ceil(group.length / 2);
      return [...fit(group.slice(0, half)), ...fit(group.slice(half))];
    }
  };

  const of = (lifetime: Memory["lifetime"]) =>
    [...memories].filter((memory) => memory.lifetime === lifetime);
  const inputs = of("input");
  place(inputs, 0, inARow);
  const inputBuffer = inputs.length > 0 ? 0 : null;
  place(of("persistent"), buffers.length, inARow);
  const shared = buffers.length; // phases take turns in these
  for (const phase of phases.keys()) {
    const temps = [...memories].filter(({ lifetime }) =>
      typeof lifetime === "object" && lifetime.phase === phase
    );
    place(temps, shared, assignOffsets);
  }
  return { buffers, places, inputBuffer };
}

/** Where a tensor begins. */
export function placeOf(
  { places }: MemoryPlan,
  { memory, offset }: GpuTensor,
): Place {
  const place = places.get(memory)!;
  return { buffer: place.buffer, offset: place.offset + offset };
}

/** Groups in which no piece is a rival of another. */
function keepApart(
  pieces: readonly Memory[],
  rivals: ReadonlyMap<Memory, ReadonlySet<Memory>>,
): Memory[][] {
  const groups: { pieces: Memory[]; refused: Set<Memory> }[] = [];
  for (const piece of pieces) {
    let group = groups.find(({ refused }) => !refused.has(piece));
    if (!group) groups.push(group = { pieces: [], refused: new Set() });
    group.pieces.push(piece);
    for (const rival of rivals.get(piece) ?? []) group.refused.add(rival);
  }
  return groups.map(({ pieces }) => pieces);
}

/** One after another, for pieces that are always needed. */
function inARow(
  pieces: readonly { sizeBytes: number }[],
): { offsets: number[]; totalBytes: number } {
  let totalBytes = 0;
  const offsets = pieces.map(({ sizeBytes }) => {
    const offset = totalBytes;
    totalBytes += sizeBytes;
    return offset;
  });
  return { offsets, totalBytes };
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}
