import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  TOKEN_BYTES,
  tokenDtype,
  TokenFile,
  TokenWriter,
} from "../../../src/data/tokens/token_file.ts";
import { TempDir, userError } from "../_helpers.ts";

Deno.test("tokenDtype() is u16 while ids fit", () => {
  assert.equal(tokenDtype(65_536), "u16");
  assert.equal(tokenDtype(65_537), "u32");
});

Deno.test("TokenWriter writes little-endian ids", async () => {
  await using dir = new TempDir();
  for (
    const [dtype, ids, expected] of [
      ["u16", [1, 0x1234, 65_535], [1, 0, 0x34, 0x12, 0xff, 0xff]],
      ["u32", [0x12345678], [0x78, 0x56, 0x34, 0x12]],
    ] as const
  ) {
    const path = `${dir.path}/${dtype}.bin`;
    const writer = await TokenWriter.create(path, dtype);
    await writer.write(Uint32Array.from(ids));
    const { tokens, sha256 } = await writer.finish();
    writer.close();
    const bytes = await Deno.readFile(path);
    assert.deepEqual([...bytes], expected);
    assert.equal(tokens, ids.length);
    assert.equal(sha256, createHash("sha256").update(bytes).digest("hex"));
  }
});

Deno.test("TokenFile.read() gives back what was written, buffers later", async () => {
  await using dir = new TempDir();
  const path = `${dir.path}/many.bin`;
  const writer = await TokenWriter.create(path, "u16");
  const count = 1_200_000; // more than two buffers, in uneven parts
  for (let at = 0; at < count;) {
    const length = Math.min(777_777, count - at);
    await writer.write(
      Uint32Array.from({ length }, (_, i) => (at + i) % 65_521),
    );
    at += length;
  }
  assert.equal((await writer.finish()).tokens, count);
  writer.close();
  const file = new TokenFile(path, { tokens: count, dtype: "u16" });
  for (const start of [0, 524_287, 777_776, 1_048_575, count - 3]) {
    assert.deepEqual(
      [...file.read(start, 3)],
      [0, 1, 2].map((i) => (start + i) % 65_521),
    );
  }
  // Each finds its own place, though all begin at once.
  const asides = await Promise.all(
    [777_776, 0, count - 3, 5].map((start) => file.readAside(start, 3)),
  );
  assert.deepEqual(
    asides,
    [777_776, 0, count - 3, 5].map((start) => file.read(start, 3)),
  );
  await assert.rejects(file.readAside(count - 2, 3), RangeError);
  assert.deepEqual(await file.readAside(5, 3), file.read(5, 3));
  assert.throws(() => file.read(count - 2, 3), RangeError);
  assert.throws(() => file.read(-1, 3), RangeError);
  file.close();
});

Deno.test("TokenFile reads on when its name is gone", {
  ignore: Deno.build.os === "windows", // where nobody can take it away
}, async () => {
  await using dir = new TempDir();
  const path = await dir.write("gone.bin", Uint8Array.of(1, 0, 2, 0, 3, 0));
  const file = new TokenFile(path, { tokens: 3, dtype: "u16" });
  await Deno.remove(path);
  await dir.write("gone.bin", Uint8Array.of(7, 0, 8, 0, 9, 0));
  assert.deepEqual([...file.read(1, 2)], [2, 3]);
  assert.deepEqual([...await file.readAside(1, 2)], [2, 3]);
  file.close();
});

Deno.test("TokenFile.read() says so when the file became shorter", async () => {
  await using dir = new TempDir();
  const path = await dir.write("short.bin", new Uint8Array(8));
  const file = new TokenFile(path, { tokens: 4, dtype: "u16" });
  await Deno.truncate(path, 6);
  for (const read of ["read", "readAside"] as const) {
    const error = await userError(() => file[read](2, 2));
    assert.equal(
      error.message,
      `Cannot read "${path}": it became shorter during training`,
    );
  }
  file.close();
});

Deno.test("TokenFile.read() says so when an id has no row", async () => {
  await using dir = new TempDir();
  for (const [dtype, name] of [["u16", "a.bin"], ["u32", "b.bin"]] as const) {
    const size = TOKEN_BYTES[dtype];
    const path = await dir.write(name, new Uint8Array(3 * size));
    const tokens = { tokens: 3, dtype, vocabSize: 258 };
    using stack = new DisposableStack();
    const file = stack.adopt(new TokenFile(path, tokens), (f) => f.close());
    assert.deepEqual([...file.read(0, 3)], [0, 0, 0]);
    const damaged = new Uint8Array(3 * size);
    damaged.set([1, 1], size); // 257, the last there is
    damaged.set([2, 1], 2 * size);
    await Deno.writeFile(path, damaged);
    assert.deepEqual([...file.read(0, 2)], [0, 257]);
    const error = await userError(() => file.read(0, 3));
    assert.equal(
      error.message,
      `Cannot read "${path}": it was changed during training, and has the id ` +
        "258, the tokenizer 258 ids",
    );
    assert.match(error.hint!, /^type hearth resume/);
  }
});

Deno.test({
  name: "TokenWriter says so when the disk is full",
  ignore: Deno.build.os !== "linux", // where /dev/full is a full disk
  async fn() {
    const writer = await TokenWriter.create("/dev/full", "u16");
    await writer.write(Uint32Array.of(1, 2, 3));
    const error = await userError(() => writer.finish());
    writer.close();
    assert.equal(error.message, 'Cannot write "/dev/full": the disk is full');
    assert.equal(
      error.hint,
      "free some space (hearth data clean removes prepared data sets), or " +
        "choose another place with --root DIR",
    );
    assert.equal(error.exitCode, 1);
  },
});
