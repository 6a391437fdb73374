/**
 * How the temporaries of a phase are stored: in two bytes a number
 * (two_bytes.ts), in f32 with rows that are filled up, or as the program has
 * them.
 *
 * Rows are filled up of logits and their gradient where a vocabulary is no
 * multiple of four, such as GPT-2's of 50257: there is no end of such a row
 * that vectors of four numbers begin at, and so products would read and write
 * it number by number. A product leaves anything behind the ends of its rows,
 * and reads what is behind those of its factors, which has to be 0.
 *
 * @module
 */

import type { AnyCall } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { StoredAs, StoredPrecision } from "../dispatch.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import {
  chooseTwoBytes,
  FILLED_UP,
  fittingTemporaries,
  hasWholeRows,
  type Uses,
} from "./two_bytes.ts";

/** What is read with anything behind the ends of rows, or written so. */
const FILLED_WITH_ANYTHING: Uses = {
  matmul: ({ M }, inputs) =>
    M > MOST_GEMV_ROWS && !("bias" in inputs) ? ["out"] : [],
  crossEntropy: () => ["logits"],
  crossEntropyBackward: () => ["logits"],
};

/**
 * Temporaries that are not stored as the program has them.
 *
 * @param unit What products may use.
 */
export function chooseStorage(
  calls: readonly AnyCall<PlacedTensor>[],
  precision: StoredPrecision,
  unit: Pick<MatrixUnit, "scalar"> | null = null,
): Map<PlacedTensor, StoredAs> {
  const storage = new Map<PlacedTensor, StoredAs>();
  for (const uses of [FILLED_UP, FILLED_WITH_ANYTHING]) {
    for (const tensor of fittingTemporaries(calls, () => uses)) {
      if (!hasWholeRows(tensor)) storage.set(tensor, "filled");
    }
  }
  for (const [tensor, dtype] of chooseTwoBytes(calls, precision, unit)) {
    storage.set(tensor, dtype);
  }
  return storage;
}
