import assert from "node:assert/strict";
import { boxMuller, fillNormals } from "../../src/base/normals.ts";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";

Deno.test("fillNormals() gives the bits of PhiloxStream.normal()", () => {
  const lengths = [0, 1, 2, 3, 4, 5, 1023, 1024, 1025, 1026, 300_001];
  for (const [i, length] of lengths.entries()) {
    const seed = i * (2 ** 37 + 1), std = 0.02 / (i + 1), index = i;
    const options = { seed, std, index, stream: STREAM.init };
    const out = new Float32Array(length);
    fillNormals(out, options);
    const stream = new PhiloxStream(seed, STREAM.init, index);
    const expected = Float32Array.from({ length }, () => std * stream.normal());
    assert.deepEqual(bitsOf(out), bitsOf(expected), `${length} numbers`);
  }
});

Deno.test("boxMuller() gives the bits of Math where sine or cosine is 0", () => {
  const out = new Float32Array(4);
  for (const a of [0, 1, 2 ** 23, 2 ** 24 - 1]) {
    for (let b = 0; b < 2 ** 24; b += 2 ** 21) { // eighths of a turn
      for (const near of [b, b + 1, b + 17, Math.max(b, 1) - 1]) {
        boxMuller(out, 1, 0.5, a, near);
        const radius = Math.sqrt(-2 * Math.log(1 - a / 2 ** 24));
        const angle = 2 * Math.PI * (near / 2 ** 24);
        const expected = Float32Array.of(
          0,
          0.5 * (radius * Math.cos(angle)),
          0.5 * (radius * Math.sin(angle)),
          0,
        );
        assert.deepEqual(bitsOf(out), bitsOf(expected), `${a}, ${near}`);
      }
    }
  }
});

/** Bits, so that 0 and -0 differ. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer);
}
