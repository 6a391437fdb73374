/**
 * What may be written to a tensor: the same in every backend.
 *
 * @module
 */

import type { TensorData } from "./backend.ts";

/** @throws {TypeError} Unless `data` is so many numbers of that type. */
export function expectData(
  name: string,
  data: TensorData,
  { type, length }: {
    type: Float32ArrayConstructor | Uint32ArrayConstructor;
    length: number;
  },
): void {
  if (data.length === length && data instanceof type) return;
  throw new TypeError(
    `Cannot write ${data.constructor.name} of ${data.length} to "${name}": ` +
      `it is a ${type.name} of ${length}`,
  );
}
