/**
 * Bits of the numbers of the machine of _machine.ts.
 *
 * @module
 */

import { encodeFloats } from "../../../src/base/float_formats.ts";
import type { Leaf } from "./_memory.ts";

/** How many bits of numbers can be taken for those of others. */
export const BITS_IN = {
  f32: 32,
  u32: 32,
  i32: 32,
  f16: 16,
  bf16: 16,
} as const;
const BITS = new DataView(new ArrayBuffer(4));

/** The bits of a number of a type. */
export function bitsOf(leaf: Leaf, name: string): number {
  switch (name) {
    case "f32":
      BITS.setFloat32(0, leaf as number);
      return BITS.getUint32(0);
    case "f16":
      BITS.setFloat16(0, leaf as number);
      return BITS.getUint16(0);
    case "bf16":
      return encodeFloats(Float32Array.of(leaf as number), "BF16")
        .reduce((bits, byte, i) => bits | byte << (8 * i), 0);
    default:
      return (leaf as number) >>> 0;
  }
}

/** The number of a type that has such bits. */
export function ofBits(bits: number, name: string): number {
  BITS.setUint32(0, name === "bf16" ? bits << 16 : bits);
  switch (name) {
    case "f32":
    case "bf16":
      return BITS.getFloat32(0);
    case "f16":
      return BITS.getFloat16(2);
    case "i32":
      return BITS.getInt32(0);
    default:
      return bits;
  }
}
