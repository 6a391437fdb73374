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

/** Aligned offsets in the order of `buffers`, and the size of the arena. */
export function assignOffsets(
  buffers: readonly Lifetime[],
): { offsets: number[]; totalBytes: number } {
  const offsets = new Array<number>(buffers.length);
  const bySize = buffers.map((_, i) => i).sort((i, j) =>
    buffers[j].sizeBytes - buffers[i].sizeBytes || i - j
  );
  /** Indices of the buffers that have an offset, in ascending offset. */
  const placed: number[] = [];
  let totalBytes = 0;
  for (const i of bySize) {
    const size = align(buffers[i].sizeBytes);
    const rivals = placed.filter((j) => meet(buffers[i], buffers[j]));
    let best = -1, bestGap = Infinity, free = 0;
    for (const j of rivals) {
      const gap = offsets[j] - free;
      if (gap >= size && gap < bestGap) [best, bestGap] = [free, gap];
      free = Math.max(free, offsets[j] + align(buffers[j].sizeBytes));
    }
    offsets[i] = best >= 0 ? best : free;
    totalBytes = Math.max(totalBytes, offsets[i] + size);
    const after = placed.findIndex((j) => offsets[j] > offsets[i]);
    placed.splice(after < 0 ? placed.length : after, 0, i);
  }
  return { offsets, totalBytes };
}

function meet(a: Lifetime, b: Lifetime): boolean {
  return a.start <= b.end && b.start <= a.end;
}
