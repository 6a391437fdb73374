/**
 * Memory given back at once.
 *
 * The garbage collector frees large arrays, but late: a loop over the tensors
 * of a model holds several of them at a time otherwise.
 *
 * @module
 */

/** Frees the memory of `values`, and of all that share it: they are empty. */
export function release(values: Float32Array): void {
  (values.buffer as ArrayBuffer).transfer(0);
}
