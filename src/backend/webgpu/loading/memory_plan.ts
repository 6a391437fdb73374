/**
 * Cuts device memory into few buffers and gives every piece its place.
 *
 * WebGPU tracks how a dispatch uses a whole buffer: one that is written may
 * not be bound for reading only as well. So pieces that a dispatch reads lie
 * in other buffers than those it writes, as far as that is possible: each
 * piece takes the first buffer that has none of the pieces it must keep apart
 * from. The same goes for dispatches that can run side by side
 * (../lowering/schedule.ts): what one writes, the others do not touch. Within
 * the buffers of temporaries, pieces that are never needed at the same time
 * share memory (graph/arena.ts).
 *
 * @module
 */

import { Arena } from "../../../graph/arena.ts";
import type { Dispatch, GpuTensor, Memory } from "../dispatch.ts";
import type { LoweredProgram } from "../lowering/lower.ts";
import { sideBySide } from "../lowering/schedule.ts";

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
  lowered: LoweredProgram,
  limits: MemoryLimits,
): MemoryPlan {
  const uses = usesOfProgram(lowered);
  const memories = [...uses.memories];
  const of = (lifetime: Memory["lifetime"]) =>
    memories.filter((memory) => memory.lifetime === lifetime);
  const buffers: number[] = [];
  const places = new Map<Memory, Place>();
  const place = (pieces: readonly Memory[], first: number) =>
    placeIn({ buffers, places, first }, { pieces, uses, limits });
  const inputs = of("input");
  place(inputs, 0);
  place(of("persistent"), buffers.length);
  const shared = buffers.length; // phases take turns in these
  for (const phase of lowered.phases.keys()) {
    const temps = memories.filter(({ lifetime }) =>
      typeof lifetime === "object" && lifetime.phase === phase
    );
    place(temps.toSorted((a, b) => b.sizeBytes - a.sizeBytes), shared);
  }
  return { buffers, places, inputBuffer: inputs.length > 0 ? 0 : null };
}

/** What decides about places. */
interface ProgramUses {
  readonly memories: ReadonlySet<Memory>;
  /** Of each those that must lie in other buffers. */
  readonly rivals: ReadonlyMap<Memory, ReadonlySet<Memory>>;
  /** Of temporaries: the first and the last group that uses them. */
  readonly lifetimes: ReadonlyMap<Memory, { start: number; end: number }>;
}

function usesOfProgram({ phases, persistent }: LoweredProgram): ProgramUses {
  const memories = new Set<Memory>();
  for (const { memory } of persistent.values()) memories.add(memory);
  const rivals = new Map<Memory, Set<Memory>>();
  const lifetimes = new Map<Memory, { start: number; end: number }>();
  for (const dispatches of phases.values()) {
    sideBySide(dispatches).forEach((group, now) => {
      const used = group.map(usesOf);
      for (const { written, read } of used) {
        for (const memory of written.union(read)) {
          memories.add(memory);
          if (typeof memory.lifetime !== "object") continue;
          const start = lifetimes.get(memory)?.start ?? now;
          lifetimes.set(memory, { start, end: now });
        }
        for (const others of used) {
          const isSelf = others.written === written;
          const apart = isSelf ? read : others.written.union(others.read);
          for (const a of written) {
            for (const b of apart) {
              if (a === b) continue;
              addTo(rivals, a, b);
              addTo(rivals, b, a);
            }
          }
        }
      }
    });
  }
  return { memories, rivals, lifetimes };
}

/**
 * Gives pieces places in the buffers from number `first` on, each in the one
 * where the least is added to what is taken already.
 */
function placeIn(
  { buffers, places, first }: {
    buffers: number[];
    places: Map<Memory, Place>;
    first: number;
  },
  { pieces, uses: { rivals, lifetimes }, limits }: {
    pieces: readonly Memory[];
    uses: ProgramUses;
    limits: MemoryLimits;
  },
): void {
  const { alignment, maxBufferBytes } = limits;
  const arenas: Arena[] = [];
  const refused: ReadonlySet<Memory>[] = [];
  for (const memory of pieces) {
    const sizeBytes = Math.ceil(memory.sizeBytes / alignment) * alignment;
    // What is no temporary is always needed.
    const { start, end } = lifetimes.get(memory) ?? { start: 0, end: 0 };
    const piece = { sizeBytes, start, end };
    let best = { growth: Infinity, at: arenas.length, offset: 0 };
    for (let at = 0; at <= arenas.length; at++) {
      if (refused[at]?.has(memory)) continue;
      const offset = arenas[at]?.find(piece) ?? 0;
      const needed = offset + memory.sizeBytes;
      if (needed > maxBufferBytes && offset > 0) continue;
      const growth = Math.max(0, needed - (buffers[first + at] ?? 0));
      if (growth < best.growth) best = { growth, at, offset };
    }
    const { at, offset } = best, buffer = first + at;
    (arenas[at] ??= new Arena()).place(piece, offset);
    refused[at] = (refused[at] ?? new Set()).union(
      rivals.get(memory) ?? new Set(),
    );
    buffers[buffer] = Math.max(
      buffers[buffer] ?? 0,
      offset + memory.sizeBytes,
    );
    places.set(memory, { buffer, offset });
  }
}

/** What a dispatch writes, and what it only reads. */
function usesOf(
  { bindings }: Dispatch,
): { written: Set<Memory>; read: Set<Memory> } {
  const of = (which: boolean) =>
    new Set(
      bindings.filter(({ written }) => written === which)
        .map(({ tensor }) => tensor.memory),
    );
  const written = of(true);
  return { written, read: of(false).difference(written) };
}

/** Where a tensor begins. */
export function placeOf(
  { places }: MemoryPlan,
  { memory, offset }: GpuTensor,
): Place {
  const place = places.get(memory)!;
  return { buffer: place.buffer, offset: place.offset + offset };
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}
