import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readFailure, writeFailure } from "../../../src/data/file_errors.ts";
import type { TextFile } from "../../../src/data/text/file_bytes.ts";
import { readText } from "../../../src/data/text/text_file.ts";
import { fc } from "../../_property.ts";
import { TempDir, textFile, userError } from "../_helpers.ts";

const utf8 = new TextEncoder();

Deno.test("readText() drops a byte order mark and keeps CRLF", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "\ufeffone\r\ntwo\r\n\ufeffthree");
  assert.equal(await textOf(await textFile(path)), "one\r\ntwo\r\n\ufeffthree");
});

Deno.test("readText() reads files of zero to three bytes", async () => {
  await using dir = new TempDir();
  for (const text of ["", "a", "ab", "\u00e4", "\u20ac", "\ufeff"]) {
    const path = await dir.write("short.txt", text);
    const expected = text.replace("\ufeff", "");
    assert.equal(await textOf(await textFile(path)), expected);
  }
});

Deno.test("readText() joins characters that a read cuts in two", async () => {
  await using dir = new TempDir();
  // reads end after 2^20 bytes: after 1, 2 and 3 bytes of the first emoji
  for (const before of [1, 2, 3]) {
    const text = "x".repeat(2 ** 20 - before) + "\u{1f525}\u{1f525}z";
    const path = await dir.write("cut.txt", text);
    assert.ok(await textOf(await textFile(path)) === text);
  }
});

Deno.test("readText() counts bytes and hashes what is on disk", async () => {
  await using dir = new TempDir();
  const bytes = gzipSync(utf8.encode("some text ".repeat(1000)));
  const path = await dir.write("a.txt.gz", bytes);
  const hash = createHash("sha256");
  let count = 0;
  const file = await textFile(path, { compression: "gzip" });
  const text = await textOf(file, { hash, onBytes: (n) => count += n });
  assert.equal(text, "some text ".repeat(1000));
  assert.equal(count, bytes.length);
  assert.equal(
    hash.digest("hex"),
    createHash("sha256").update(bytes).digest("hex"),
  );
});

Deno.test("readText() unpacks zstd, and gzip of several members", async () => {
  await using dir = new TempDir();
  const zstd = await dir.write("a.zst", zstdCompressSync("warm \u{1f525}"));
  assert.equal(
    await textOf(await textFile(zstd, { compression: "zstd" })),
    "warm \u{1f525}",
  );
  const members = new Uint8Array([...gzipSync("one "), ...gzipSync("two")]);
  const gzip = await dir.write("a.gz", members);
  assert.equal(
    await textOf(await textFile(gzip, { compression: "gzip" })),
    "one two",
  );
});

Deno.test("readText() refuses damaged gzip and zstd", async () => {
  await using dir = new TempDir();
  const text = "some text ".repeat(1000);
  const cases = [
    ["gzip", gzipSync(text)],
    ["zstd", zstdCompressSync(text)],
  ] as const;
  for (const [compression, bytes] of cases) {
    for (const damaged of [bytes.subarray(0, -9), utf8.encode("no gzip")]) {
      const path = await dir.write("damaged", damaged);
      const file = await textFile(path, { compression });
      const error = await userError(() => textOf(file));
      assert.equal(
        error.message,
        `Cannot read dataset "${path}": its ${compression} data is damaged ` +
          "or cut short",
      );
      assert.equal(error.exitCode, 2);
    }
  }
});

Deno.test("readText() refuses zstd that is damaged behind much text", async () => {
  await using dir = new TempDir();
  const ZSTD_c_checksumFlag = 201; // of zstd.h; node:zlib has the same number
  const bytes = zstdCompressSync("a".repeat(200_000), {
    params: { [ZSTD_c_checksumFlag]: 1 },
  });
  bytes[bytes.length - 1] ^= 1; // of the checksum
  const path = await dir.write("a.zst", bytes);
  const file = await textFile(path, { compression: "zstd" });
  const error = await userError(() => textOf(file));
  assert.match(error.message, /its zstd data is damaged or cut short$/);
});

Deno.test("readText() names the place of the first NUL byte", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.bin", utf8.encode("\ufeffabc\0def\0"));
  const error = await userError(async () => textOf(await textFile(path)));
  // three bytes of the mark, then a, b, c
  assert.equal(
    error.message,
    `Cannot use "${path}" as text: NUL byte at offset 6`,
  );
  assert.equal(
    error.hint,
    "it looks like a binary file; give .txt, .md or .jsonl in UTF-8",
  );
  assert.equal(error.exitCode, 2);
});

Deno.test("readText() says how to convert other encodings", async () => {
  await using dir = new TempDir();
  const latin1 = Uint8Array.of(0x66, 0xfc, 0x72);
  const utf16 = Uint8Array.of(0xff, 0xfe, 0x61, 0, 0x62, 0);
  const cases = [
    [
      latin1,
      "give UTF-8 text; iconv -f latin1 -t utf-8 FILE converts an older " +
      "encoding",
    ],
    [
      utf16,
      "it looks like UTF-16; iconv -f utf-16 -t utf-8 FILE converts it",
    ],
  ] as const;
  for (const [bytes, hint] of cases) {
    const path = await dir.write("a.txt", bytes);
    const error = await userError(async () => textOf(await textFile(path)));
    assert.equal(error.hint, hint);
  }
});

Deno.test("readText() names the place of the first invalid byte", async () => {
  await using dir = new TempDir();
  const cases: [number[], number][] = [
    [[0xff], 0],
    [[0x61, 0xe4, 0x62], 1], // latin1
    [[0x61, 0x80], 1], // a continuation without a start
    [[0xc0, 0xaf, 0x61], 0], // overlong
    [[0x61, 0xed, 0xa0, 0x80], 1], // a surrogate
    [[0xf4, 0x90, 0x80, 0x80], 0], // above U+10FFFF
    [[0x61, 0xe2, 0x82], 1], // cut short at the end
    [[...utf8.encode("\u00e4\u20ac\u{1f525}"), 0xfe, 0x61], 9],
  ];
  for (const [bytes, offset] of cases) {
    const path = await dir.write("bad.txt", Uint8Array.from(bytes));
    const error = await userError(async () => textOf(await textFile(path)));
    assert.equal(
      error.message,
      `Cannot use "${path}" as text: invalid UTF-8 at byte offset ${offset}`,
    );
  }
});

Deno.test("readText() agrees with the strict decoder on any bytes", async () => {
  await using dir = new TempDir();
  const strict = new TextDecoder("utf-8", { fatal: true });
  const parts = fc.array(
    fc.oneof(
      fc.string({ unit: "grapheme" }).map((text) => utf8.encode(text)),
      fc.uint8Array({ maxLength: 2 }),
      fc.constant([0xef, 0xbb, 0xbf]), // a byte order mark, here or there
    ),
    { maxLength: 4 },
  );
  // Files are read by the megabyte: some characters lie on both sides.
  const ahead = fc.oneof(
    { weight: 9, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 2 ** 20 - 8, max: 2 ** 20 }) },
  );
  await fc.assert(fc.asyncProperty(ahead, parts, async (ahead, parts) => {
    const tail = parts.flatMap((part) => [...part]);
    const bytes = new Uint8Array(ahead + tail.length).fill(0x61);
    bytes.set(tail, ahead);
    const path = await dir.write("any.txt", bytes);
    const text = textFile(path).then((file) => textOf(file));
    if (bytes.includes(0)) return await assert.rejects(text);
    try {
      strict.decode(bytes);
    } catch {
      const { message } = await userError(() => text);
      // all before the place is valid, and with one byte more it is not
      const place = Number(/offset (\d+)$/.exec(message)![1]);
      strict.decode(bytes.subarray(0, place));
      return;
    }
    assert.equal(await text, strict.decode(bytes));
  }));
});

Deno.test("readText() notices files that change, vanish or grow", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "text");
  const listed = await textFile(path);
  const messageOf = async (file: TextFile) =>
    (await userError(() => textOf(file))).message;

  await Deno.utime(path, new Date(), new Date(listed.mtimeMs + 5000));
  const changed =
    `Cannot read dataset "${path}": it changed during preparation`;
  assert.equal(await messageOf(listed), changed);

  await dir.write("a.txt", "longer text");
  await Deno.utime(path, new Date(), new Date(listed.mtimeMs));
  assert.equal(await messageOf(listed), changed);

  await Deno.remove(path);
  assert.equal(
    await messageOf(listed),
    `Cannot read dataset "${path}": it vanished during preparation`,
  );
});

Deno.test("readText() stops with the reason of the signal", async () => {
  await using dir = new TempDir();
  const file = await textFile(await dir.write("a.txt", "text"));
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(() => textOf(file, { signal }), { message: "enough" });
});

Deno.test("readFailure() and writeFailure() put the system's codes in words", () => {
  const code = (code: string) => Object.assign(new Error("system"), { code });
  const read = (name: string) =>
    (readFailure("a.txt", code(name)) as Error).message;
  assert.equal(
    read("EACCES"),
    'Cannot read dataset "a.txt": permission denied',
  );
  assert.equal(
    read("ELOOP"),
    'Cannot read dataset "a.txt": its links go in a circle',
  );
  assert.equal(read("EIO"), "system"); // none of the user's making

  const write = (name: string) =>
    (writeFailure("data", code(name)) as Error).message;
  assert.equal(write("ENOSPC"), 'Cannot write "data": the disk is full');
  assert.equal(
    write("EROFS"),
    'Cannot write "data": the file system is read-only',
  );
  assert.equal(
    write("ENOTDIR"),
    'Cannot write "data": a part of the path is a file',
  );
});

async function textOf(
  file: TextFile,
  options?: Parameters<typeof readText>[1],
): Promise<string> {
  const chunks = await Array.fromAsync(readText(file, options));
  return chunks.map(({ text }) => text).join("");
}
