import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { createZstdDecompress, zstdCompressSync } from "node:zlib";
import { BLOCK_BYTES, ZstdFrames } from "../../../src/data/text/zstd_frames.ts";

const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);

Deno.test("ZstdFrames is complete at ends of frames alone", () => {
  const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9);
  const frames = [
    zstdCompressSync("a".repeat(1_000_000)), // repeated bytes
    zstdCompressSync(noise.subarray(0, 1000)),
    zstdCompressSync(""),
    skippable,
    checksummed(noise), // several blocks
  ];
  const ends = new Set([0]);
  let length = 0;
  for (const frame of frames) ends.add(length += frame.length);
  const stream = new Uint8Array(frames.flatMap((frame) => [...frame]));

  const walker = new ZstdFrames();
  for (let at = 0; at < stream.length; at++) {
    assert.equal(walker.complete, ends.has(at), `after ${at} bytes`);
    assert.ok(walker.push(stream.subarray(at, at + 1)));
  }
  assert.ok(walker.complete);
  const whole = new ZstdFrames();
  assert.ok(whole.push(stream) && whole.complete);
  const cut = new ZstdFrames();
  assert.ok(cut.push(stream.subarray(0, -1)) && !cut.complete);
});

Deno.test("ZstdFrames.push() cuts where blocks end", () => {
  const packed = zstdCompressSync("a".repeat(BLOCK_BYTES + 1));
  const parts = new ZstdFrames().push(packed)!;
  // Frame header and one block of repeated bytes; another of its last byte.
  assert.deepEqual(parts.map(({ length }) => length).slice(-1), [4]);
  assert.deepEqual(parts.flatMap((part) => [...part]), [...packed]);
});

Deno.test("ZstdFrames.push() says no to other data", () => {
  assert.equal(new ZstdFrames().push(new Uint8Array(4)), null);
});

// When this fails, ZstdFrames has become unnecessary.
Deno.test("createZstdDecompress() does not notice a stream cut short", async () => {
  const cut = zstdCompressSync("some text").subarray(0, -1);
  const chunks = Readable.from([cut]).pipe(createZstdDecompress());
  const text = (await Array.fromAsync(chunks)).map(String).join("");
  assert.equal(text, "some tex");
});

function checksummed(bytes: Uint8Array): Uint8Array {
  const ZSTD_c_checksumFlag = 201; // of zstd.h; node:zlib has the same number
  return zstdCompressSync(bytes, { params: { [ZSTD_c_checksumFlag]: 1 } });
}
