/**
 * Typed arrays that grow.
 *
 * @module
 */

/** Twice as long, with the same beginning. */
export function grown<
  T extends Uint8Array | Int32Array | Uint32Array | Float64Array,
>(array: T, type: { new (length: number): T }): T {
  const larger = new type(2 * array.length);
  larger.set(array as ArrayLike<number>);
  return larger;
}
