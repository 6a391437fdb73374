/**
 * Matrix products by the system's BLAS library.
 *
 * The library brings threads of its own, so one thread calls it and the others
 * wait. Bias and addition come first: the library adds to what is there.
 *
 * @module
 */

import { MatmulCall } from "./calls";
import {
  barrier,
  nextChunk,
  rangeEnd,
  rangeStart,
  takeRows,
} from "./threads";

/** Adds the product of a call to its result, or replaces it; see ../blas.ts. */
@external("env", "blas")
declare function callBlas(record: usize, add: bool): void;

/** Whether there is a library to call. */
export let usesBlas: bool = false;

/** From now on products go to the library; before any call. */
export function useBlas(): void {
  usesBlas = true;
}

/** `out = addTo + op(a) op(b) + bias`. */
export function blasMatmul(c: MatmulCall): void {
  const add = c.addTo != 0 || c.bias != 0;
  if (add) {
    if (c.addTo != c.out || c.bias) startSums(c);
    barrier();
  }
  if (nextChunk(1) == 0) callBlas(changetype<usize>(c), add);
}

/** `out = addTo + bias`; threads share the rows. */
function startSums(c: MatmulCall): void {
  while (takeRows(c.M, c.N)) {
    for (let row = rangeStart; row < rangeEnd; row++) {
      const at = <usize> row * c.N << 2;
      for (let col = 0; col < c.N; col++) {
        const i = <usize> col << 2;
        const sum = (c.addTo ? load<f32>(c.addTo + at + i) : 0) +
          (c.bias ? load<f32>(c.bias + i) : 0);
        store<f32>(c.out + at + i, sum);
      }
    }
  }
}
