/**
 * The floating-point formats of weights in files, to f32 and from it.
 *
 * bfloat16 is rounded to the nearest, ties to even, as PyTorch does; float16
 * is V8's own, which rounds alike. Little-endian, as every platform of Deno's.
 *
 * @module
 */

/** Names as safetensors has them. */
export type FloatFormat = keyof typeof BYTES_PER_VALUE;

/** Bytes that a value takes. */
export const BYTES_PER_VALUE = { F32: 4, F16: 2, BF16: 2 } as const;

/** The largest finite number of float16. */
export const F16_MAX = 65504;

/** `values` in another format; of F32 the same memory. */
export function encodeFloats(
  values: Float32Array,
  format: FloatFormat,
): Uint8Array {
  if (format === "F16") return bytesOf(Float16Array.from(values));
  if (format === "F32") return bytesOf(values);
  const bits = new Uint32Array(
    values.buffer,
    values.byteOffset,
    values.length,
  );
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = upperHalf(bits[i]);
  return bytesOf(halves);
}

/** The f32 values of `bytes`; of F32 the same memory. */
export function decodeFloats(
  bytes: Uint8Array<ArrayBuffer>,
  format: FloatFormat,
): Float32Array {
  if (format === "F32") return new Float32Array(bytes.buffer);
  if (format === "F16") {
    return Float32Array.from(new Float16Array(bytes.buffer));
  }
  // A bfloat16 is the upper half of the same number in f32.
  const bits = Uint32Array.from(new Uint16Array(bytes.buffer), (b) => b << 16);
  return new Float32Array(bits.buffer);
}

/** Rounds the bits of an f32 to those of a bfloat16. */
function upperHalf(bits: number): number {
  const isNaN = (bits & 0x7fffffff) > 0x7f800000;
  if (isNaN) return (bits >>> 16) | 0x40; // rounding could make it infinite
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
