import assert from "node:assert/strict";
import { decodeFloats, encodeFloats } from "../../src/base/float_formats.ts";

/** The bits of 16-bit numbers, in hexadecimal. */
function bits(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(
    { length: bytes.length / 2 },
    (_, i) => view.getUint16(2 * i, true).toString(16).padStart(4, "0"),
  );
}

Deno.test("encodeFloats() rounds to the nearest bfloat16, ties to even", () => {
  const values = Float32Array.of(
    1, // 0x3f800000
    1 + 2 ** -8, // half way up, the lower neighbor is even
    1 + 3 * 2 ** -8, // half way up, the upper neighbor is even
    1 + 2 ** -8 + 2 ** -20, // just over half way
    -2.5,
    3.4e38, // more than the largest bfloat16 and its half step
    NaN,
    -0,
  );
  assert.deepEqual(bits(encodeFloats(values, "BF16")), [
    "3f80",
    "3f80",
    "3f82",
    "3f81",
    "c020",
    "7f80",
    "7fc0",
    "8000",
  ]);
});

Deno.test("encodeFloats() rounds to the nearest float16", () => {
  const values = Float32Array.of(1, -2, 65504, 70000, 2 ** -24, 1 + 2 ** -11);
  assert.deepEqual(bits(encodeFloats(values, "F16")), [
    "3c00",
    "c000",
    "7bff",
    "7c00",
    "0001",
    "3c00",
  ]);
});

Deno.test("decodeFloats() undoes encodeFloats() where nothing is rounded", () => {
  // A view that begins inside its buffer, as parameters do.
  const all = Float32Array.of(9, 0.5, -3, 1.75);
  for (const format of ["F32", "F16", "BF16"] as const) {
    const bytes = encodeFloats(all.subarray(1), format).slice();
    assert.deepEqual(decodeFloats(bytes, format), all.slice(1), format);
  }
});
