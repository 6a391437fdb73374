/**
 * Which tensors of a phase are gradients, and what they are multiplied by where
 * they are stored as f16.
 *
 * @module
 */

import type { AnyCall } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";

/** All that the gradient of the loss is made of, and what follows from it. */
export function findGradients(
  calls: readonly AnyCall<PlacedTensor>[],
): Set<PlacedTensor> {
  const gradients = new Set<PlacedTensor>();
  for (const { op, in: inputs, out } of calls) {
    const isBackward = op === "meanLossBackward" ||
      Object.values<PlacedTensor>(inputs).some((x) => gradients.has(x));
    if (!isBackward) continue;
    for (const tensor of Object.values<PlacedTensor>(out)) {
      gradients.add(tensor);
    }
  }
  return gradients;
}

/** Above the gradient of one row's loss, which is 1 at most for its logits. */
const GRADIENT_HEADROOM = 2 ** 8;

/**
 * What gradients are multiplied by where they become f16: a power of two, a
 * pure function of the calls. 1 where there are none.
 *
 * The loss is a mean, so that the gradient of each of its rows is a number of
 * size 1 divided by their count. f16 has all its digits from 2^-14 to 2^16, so
 * that with a row's gradient at 2^8, one that is 2^7 times as large still fits,
 * whatever the count is rounded to, and one 2^22 times smaller keeps all digits,
 * 2^32 times some. What ignored targets leave of the rows makes the others'
 * larger: they fit where at least every 128th counts, as in all batches that
 * are trained on, and are cut off where less do.
 */
export function gradientScale(
  calls: readonly AnyCall<PlacedTensor>[],
): number {
  for (const call of calls) {
    if (call.op !== "meanLossBackward") continue;
    const { rows, scale } = call.attrs;
    return GRADIENT_HEADROOM * 2 ** Math.round(Math.log2(rows / scale));
  }
  return 1;
}
