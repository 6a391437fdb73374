/**
 * Inverted dropout with counter-based random numbers.
 *
 * @module
 */

import { philox, type Philox4 } from "../../base/philox.ts";
import type { TensorData } from "../backend.ts";
import type { Kernels } from "./kernel.ts";

/** Kernel of dropout. */
export const dropoutKernels: Kernels<"dropout"> = {
  dropout({ in: { x, rng, addTo }, out: { out }, attrs }) {
    const factor = dropoutFactors(rng, attrs);
    for (let i = 0; i < attrs.n; i++) {
      out[i] = (addTo?.[i] ?? 0) + x[i] * factor(i);
    }
  },
};

/**
 * What dropout multiplies element i with: 0 where it is dropped, else
 * 1 / (1 - p). Fast for ascending i: four elements share a Philox block.
 *
 * @param rng u32 (4): seed low, seed high, micro-step low, micro-step high.
 */
export function dropoutFactors(
  rng: TensorData,
  { p, site }: { p: number; site: number },
): (i: number) => number {
  const [seedLow, seedHigh, stepLow, stepHigh] = rng;
  const threshold = Math.floor(p * 2 ** 32);
  const keep = 1 / (1 - p);
  let block = -1;
  let words: Philox4 = [0, 0, 0, 0];
  return (i) => {
    if (i >>> 2 !== block) {
      block = i >>> 2;
      words = philox([block, site, stepLow, stepHigh], [seedLow, seedHigh]);
    }
    return words[i & 3] >= threshold ? keep : 0;
  };
}
