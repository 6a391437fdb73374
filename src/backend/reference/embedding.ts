/**
 * Row lookup in a table, and rotary positions.
 *
 * @module
 */

import type { Kernels } from "./kernel.ts";

/** Kernels that read token ids or positions. */
export const embeddingKernels: Kernels<
  "embedding" | "embeddingBackward" | "rope"
> = {
  embedding({ in: { table, ids, addTo }, out: { out }, attrs }) {
    const { rows, V, C } = attrs;
    for (let r = 0; r < rows; r++) {
      expectId(ids[r], V);
      for (let c = 0; c < C; c++) {
        out[r * C + c] = (addTo?.[r * C + c] ?? 0) + table[ids[r] * C + c];
      }
    }
  },

  embeddingBackward({ in: { dOut, ids, addTo }, out: { out }, attrs }) {
    const { rows, V, C } = attrs;
    const sums = new Float64Array(V * C);
    if (addTo) sums.set(addTo);
    for (let r = 0; r < rows; r++) {
      expectId(ids[r], V);
      for (let c = 0; c < C; c++) sums[ids[r] * C + c] += dOut[r * C + c];
    }
    out.set(sums);
  },

  rope({ in: { x, positions }, out: { out }, attrs }) {
    const { rows, width, nRotated, D, theta, inverse } = attrs;
    for (let r = 0; r < rows; r++) {
      for (let h = 0; h < nRotated; h++) {
        const start = r * width + h * D;
        for (let i = 0; i < D / 2; i++) {
          const turn = positions[r] * theta ** (-2 * i / D);
          const angle = inverse ? -turn : turn;
          const cos = Math.cos(angle), sin = Math.sin(angle);
          const first = x[start + i], second = x[start + i + D / 2];
          out[start + i] = first * cos - second * sin;
          out[start + i + D / 2] = second * cos + first * sin;
        }
      }
      for (let c = nRotated * D; c < width; c++) {
        out[r * width + c] = x[r * width + c];
      }
    }
  },
};

function expectId(id: number, V: number): void {
  if (id >= V) {
    throw new RangeError(`Cannot look up id ${id}: the table has ${V} rows`);
  }
}
