import assert from "node:assert/strict";
import { encodeQ8 } from "../../src/export/q8_0.ts";

Deno.test("encodeQ8() writes a scale and rounded bytes, halves away from 0", () => {
  const values = new Float32Array(64);
  values.set([127, -127, 1, 0.5, -0.5, 1.5, 0.49, -2.5]); // the scale is 1
  values.set([-254, 3, 127], 32); // the scale is 2
  const bytes = encodeQ8(values);
  assert.equal(bytes.length, 68);
  const view = new DataView(bytes.buffer);
  assert.equal(view.getFloat16(0, true), 1);
  const first = Array.from({ length: 9 }, (_, i) => view.getInt8(2 + i));
  assert.deepEqual(first, [127, -127, 1, 1, -1, 2, 0, -3, 0]);
  assert.equal(view.getFloat16(34, true), 2);
  const second = Array.from({ length: 4 }, (_, i) => view.getInt8(36 + i));
  assert.deepEqual(second, [-127, 2, 64, 0]); // 1.5 and 63.5
});

Deno.test("encodeQ8() writes a block of zeros as zeros", () => {
  assert.deepEqual(encodeQ8(new Float32Array(32)), new Uint8Array(34));
});
