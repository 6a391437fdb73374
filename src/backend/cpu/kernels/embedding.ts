/**
 * Row lookup and its gradient. Memory bound.
 *
 * An id outside the table traps: the run ends with an error, where reading on
 * would train on garbage.
 *
 * @module
 */

import { EmbeddingBackwardCall, EmbeddingCall } from "./calls";
import { load4, store4 } from "./simd";
import {
  LINE,
  rangeEnd,
  rangeStart,
  takeRange,
  takeRows,
} from "./threads";

/** Columns that one thread takes: fewer are read more slowly. */
const WIDE: i32 = 256;

/** `out[r] = addTo[r] + table[ids[r]]`; threads take rows. */
export function embedding(c: EmbeddingCall): void {
  const rowBytes = <usize> c.C << 2;
  while (takeRows(c.rows, c.C)) {
    for (let row = rangeStart; row < rangeEnd; row++) {
      let from = c.table + <usize> idOf(c.ids, row, c.V) * rowBytes;
      let out = c.out + <usize> row * rowBytes;
      let add = c.addTo + <usize> row * rowBytes;
      for (let i = 0; i < c.C; i += 4, from += 16, out += 16, add += 16) {
        const left = c.C - i;
        let x = load4(from, left);
        if (c.addTo) x = f32x4.add(x, load4(add, left));
        store4(out, x, left);
      }
    }
  }
}

/** `out = addTo`, then `out[ids[r]] += dOut[r]`; threads take columns. */
export function embeddingBackward(c: EmbeddingBackwardCall): void {
  while (takeRange(c.C, WIDE, LINE)) {
    addColumns(c, rangeStart, rangeEnd - rangeStart);
  }
}

function addColumns(c: EmbeddingBackwardCall, first: i32, cols: i32): void {
  const rowBytes = <usize> c.C << 2, offset = <usize> first << 2;
  const width = <usize> cols << 2;
  for (let v = 0; v < c.V && c.out != c.addTo; v++) {
    const at = <usize> v * rowBytes + offset;
    if (c.addTo) memory.copy(c.out + at, c.addTo + at, width);
    else memory.fill(c.out + at, 0, width);
  }
  for (let row = 0; row < c.rows; row++) {
    let out = c.out + <usize> idOf(c.ids, row, c.V) * rowBytes + offset;
    let from = c.dOut + <usize> row * rowBytes + offset;
    for (let i = 0; i < cols; i += 4, from += 16, out += 16) {
      const left = cols - i;
      store4(out, f32x4.add(load4(out, left), load4(from, left)), left);
    }
  }
}

@inline
function idOf(ids: usize, row: i32, V: i32): u32 {
  const id = load<u32>(ids + (<usize> row << 2));
  if (id >= <u32> V) unreachable();
  return id;
}
