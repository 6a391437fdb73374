/**
 * Offsets for buffers that are live at different times: those that never
 * meet may share memory.
 *
 * Greedy by size: the largest buffers choose first, each taking the tightest
 * gap among the buffers that live at the same time. Quadratic in the number
 * of buffers, once per program.
 * Source: Pisarchyk & Lee 2020, "Efficient memory management for deep neural
 * net inference", https://arxiv.org/abs/2001.03288, algorithm 3.
 *
 * @module
 */

import { ALIGNMENT_BYTES } from "./program.ts";

/** Some memory, and the calls (by index, inclusive) that it must last for. */
export interface Lifetime {
  readonly sizeBytes: number;
  readonly start: number;
  readonly end: number;
}

/** Rounds up to a multiple of {@linkcode ALIGNMENT_BYTES}. */
export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** Memory that buffers are given places in, one after another. */
export class Arena {
  /** In ascending offset. */
  readonly #placed: { buffer: Lifetime; offset: number }[] = [];
  #totalBytes = 0;

  /** What all that was placed takes. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /**
   * The offset that a buffer would get: the tightest gap among those that live
   * at the same time, or behind them.
   */
  find(buffer: Lifetime): number {
    const size = align(buffer.sizeBytes);
    let best = -1, bestGap = Infinity, free = 0;
    for (const { buffer: other, offset } of this.#placed) {
      if (!meet(buffer, other)) continue;
      const gap = offset - free;
      if (gap >= size && gap < bestGap) [best, bestGap] = [free, gap];
      free = Math.max(free, offset + align(other.sizeBytes));
    }
    return best >= 0 ? best : free;
  }

  /** Gives a buffer an offset that {@linkcode find} found. */
  place(buffer: Lifetime, offset: number): void {
    const after = this.#placed.findIndex((other) => other.offset > offset);
    const at = after < 0 ? this.#placed.length : after;
    this.#placed.splice(at, 0, { buffer, offset });
    const end = offset + align(buffer.sizeBytes);
    this.#totalBytes = Math.max(this.#totalBytes, end);
  }
}

/** Aligned offsets in the order of `buffers`, and the size of the arena. */
export function assignOffsets(
  buffers: readonly Lifetime[],
): { offsets: number[]; totalBytes: number } {
  const arena = new Arena();
  const offsets = new Array<number>(buffers.length);
  for (const i of largestFirst(buffers)) {
    offsets[i] = arena.find(buffers[i]);
    arena.place(buffers[i], offsets[i]);
  }
  return { offsets, totalBytes: arena.totalBytes };
}

/** The order in which buffers choose, as indices. */
function largestFirst(buffers: readonly Lifetime[]): number[] {
  return buffers.map((_, i) => i).sort((i, j) =>
    buffers[j].sizeBytes - buffers[i].sizeBytes || i - j
  );
}

function meet(a: Lifetime, b: Lifetime): boolean {
  return a.start <= b.end && b.start <= a.end;
}
