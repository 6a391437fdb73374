/**
 * Turns the calls of a program into words that the kernels read.
 *
 * @module
 */

import type { AnyCall, OpName } from "../../graph/ops.ts";
import type { PlacedTensor } from "../../graph/program.ts";
import {
  CALL_LAYOUT,
  type CallAttrs,
  HEADER_WORDS,
  OP_NAMES,
} from "./call_layout.ts";

/** Any call, without the ties between its op and its tensors. */
interface LooseCall {
  readonly op: OpName;
  readonly in: Record<string, PlacedTensor | undefined>;
  readonly out: Record<string, PlacedTensor | undefined>;
  readonly attrs: CallAttrs;
}

/** Size of the record of one call, a multiple of 8. */
export function recordBytes(call: AnyCall<PlacedTensor>): number {
  const { op, attrs } = call as LooseCall;
  let words = HEADER_WORDS + CALL_LAYOUT[op].length;
  words += words % 2;
  for (const field of CALL_LAYOUT[op]) {
    if (field.table) words += 2 * field.table(attrs).length;
  }
  return 4 * words;
}

/**
 * Writes the record of one call.
 *
 * @param view All of the memory.
 * @param at Where the record goes, a multiple of 8.
 * @param addressOf Where a tensor begins in the memory; never 0.
 */
export function writeRecord(
  view: DataView,
  at: number,
  { call, addressOf }: {
    call: AnyCall<PlacedTensor>;
    addressOf: (tensor: PlacedTensor) => number;
  },
): void {
  const loose = call as LooseCall;
  const fields = CALL_LAYOUT[loose.op];
  view.setUint32(at, OP_NAMES.indexOf(loose.op), true);
  view.setUint32(at + 4, recordBytes(call), true);
  let word = at + 4 * HEADER_WORDS;
  let tableAt = word + 4 * fields.length;
  tableAt += tableAt % 8;
  for (const field of fields) {
    if (field.type === "pointer") {
      const tensor = loose.out[field.name] ?? loose.in[field.name];
      view.setUint32(word, tensor ? addressOf(tensor) : 0, true);
    } else if (field.table) {
      view.setUint32(word, tableAt, true);
      for (const number of field.table(loose.attrs)) {
        view.setFloat64(tableAt, number, true);
        tableAt += 8;
      }
    } else {
      const value = field.value!(loose.attrs);
      if (field.type === "f32") view.setFloat32(word, value, true);
      else if (field.type === "i32") view.setInt32(word, value, true);
      else view.setUint32(word, value, true);
    }
    word += 4;
  }
}
