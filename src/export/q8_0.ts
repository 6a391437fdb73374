/**
 * Q8_0: blocks of 32 numbers as signed bytes with one float16 scale.
 *
 * `d = max|x| / 127`, `q = round(x / d)`, halves away from zero, in f32: bit
 * for bit what ggml's reference and Python's gguf write. The error of a number
 * is at most half a step, 1/254 of the largest in its block.
 * Source: `quantize_row_q8_0_ref` of ggml-quants.c.
 *
 * @module
 */

/** Numbers of a block. */
export const Q8_BLOCK = 32;
/** Its scale and its numbers. */
export const Q8_BLOCK_BYTES = 2 + Q8_BLOCK;

/** @param values A multiple of {@linkcode Q8_BLOCK}. */
export function encodeQ8(values: Float32Array): Uint8Array {
  const blocks = values.length / Q8_BLOCK;
  const out = new Uint8Array(blocks * Q8_BLOCK_BYTES);
  const view = new DataView(out.buffer);
  for (let block = 0; block < blocks; block++) {
    const from = block * Q8_BLOCK, to = block * Q8_BLOCK_BYTES;
    let largest = 0;
    for (let i = from; i < from + Q8_BLOCK; i++) {
      largest = Math.max(largest, Math.abs(values[i]));
    }
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    view.setFloat16(to, scale, true);
    for (let i = 0; i < Q8_BLOCK; i++) {
      const q = Math.fround(values[from + i] * inverse);
      view.setInt8(to + 2 + i, Math.sign(q) * Math.floor(Math.abs(q) + 0.5));
    }
  }
  return out;
}
