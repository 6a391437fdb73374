import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { TextFile } from "../../../src/data/text/file_bytes.ts";
import {
  checkedLength,
  readParquet,
} from "../../../src/data/text/parquet_file.ts";
import { TempDir, textFile, userError } from "../_helpers.ts";

const stories = Array.from(
  { length: 2500 },
  (_, i) => `Story ${i} \u{1f98a}\n`,
);

Deno.test("readParquet() reads one column over all row groups", async () => {
  await using dir = new TempDir();
  for (const rowGroupSize of [100, 10_000]) {
    const file = await parquet(dir, [
      { name: "id", data: stories.map((_, i) => i) },
      { name: "text", data: stories },
    ], { rowGroupSize });
    assert.deepEqual(await Array.fromAsync(readParquet(file)), stories);
  }
});

Deno.test("readParquet() reads a large row group in parts", async () => {
  await using dir = new TempDir();
  const data = Array.from({ length: 70 }, (_, i) => `${i} `.repeat(400_000));
  assert.ok(data.join("").length > 2 * 2 ** 25); // three parts of 32 MB
  const file = await parquet(dir, [{ name: "text", data }], {
    codec: "SNAPPY",
    rowGroupSize: 1000,
  });
  const texts = await Array.fromAsync(readParquet(file));
  assert.ok(texts.length === 70 && texts.every((text, i) => text === data[i]));
});

Deno.test("readParquet() leaves rows without a text out", async () => {
  await using dir = new TempDir();
  const data = ["one", null, "", "two"];
  const file = await parquet(dir, [{ name: "text", data, type: "STRING" }]);
  assert.deepEqual(await Array.fromAsync(readParquet(file)), [
    "one",
    "",
    "two",
  ]);
});

Deno.test("readParquet() takes the column named, text, or the only one", async () => {
  await using dir = new TempDir();
  const id = { name: "id", data: [1, 2] };
  const title = { name: "title", data: ["A", "B"] };
  const text = { name: "text", data: ["a", "b"] };
  const read = async (columns: Columns, column?: string) => {
    const file = { ...await parquet(dir, columns), column };
    return (await Array.fromAsync(readParquet(file))).join("");
  };
  assert.equal(await read([id, title, text]), "ab");
  assert.equal(await read([id, title, text], "title"), "AB");
  assert.equal(await read([id, title]), "AB");
});

Deno.test("readParquet() says in one line which columns there are", async () => {
  await using dir = new TempDir();
  const columns = [
    { name: "id", data: [1, 2] },
    { name: "title", data: ["A", "B"] },
    { name: "body", data: ["a", "b"] },
  ];
  const file = { ...await parquet(dir, columns), name: "a.parquet" };
  const cases: [string | undefined, string][] = [
    [undefined, 'it has no column "text"; its columns are id, title, body'],
    ["txt", 'it has no column "txt"; its columns are id, title, body'],
    ["id", 'its column "id" does not hold text'],
  ];
  for (const [column, reason] of cases) {
    const reading = readParquet({ ...file, column });
    const error = await userError(() => Array.fromAsync(reading));
    assert.equal(error.message, `Cannot read dataset "a.parquet": ${reason}`);
    assert.equal(error.hint, "name one with text: --text-column title");
    assert.equal(error.exitCode, 2);
  }
});

Deno.test("readParquet() hashes the file and reports all of its bytes", async () => {
  await using dir = new TempDir();
  const file = await parquet(dir, [{ name: "text", data: stories }], {
    rowGroupSize: 700,
  });
  const hash = createHash("sha256");
  const counts: number[] = [];
  const onBytes = (count: number) => void counts.push(count);
  await Array.fromAsync(readParquet(file, { hash, onBytes }));
  const bytes = await Deno.readFile(file.path);
  assert.equal(
    hash.digest("hex"),
    createHash("sha256").update(bytes).digest("hex"),
  );
  assert.equal(counts.length, 4);
  assert.equal(counts.reduce((sum, count) => sum + count, 0), bytes.length);
});

Deno.test("readParquet() refuses what is damaged or no Parquet", async () => {
  await using dir = new TempDir();
  const good = await parquet(dir, [{ name: "text", data: stories }]);
  const bytes = await Deno.readFile(good.path);
  const invalid = bytes.slice();
  // a letter of the first story, in a page that is not compressed
  const at = new TextDecoder("latin1").decode(bytes).indexOf("Story 7 ");
  invalid[at] = 0xff;
  const cases: [Uint8Array, RegExp][] = [
    [bytes.subarray(0, -9), /: file invalid \(footer != PAR1\)$/],
    [new TextEncoder().encode("<html>no</html>"), /: file invalid/],
    [new Uint8Array(0), / as Parquet: /],
    [invalid, / as Parquet: The encoded data is not valid/],
  ];
  for (const [content, reason] of cases) {
    const path = await dir.write("bad.parquet", content);
    const file = await textFile(path, { format: "parquet" });
    const error = await userError(() => Array.fromAsync(readParquet(file)));
    assert.match(error.message, /^Cannot read dataset ".*bad\.parquet" as/);
    assert.match(error.message, reason);
    assert.equal(error.exitCode, 2);
  }
});

Deno.test("readParquet() notices a file that changed since its listing", async () => {
  await using dir = new TempDir();
  const file = await parquet(dir, [{ name: "text", data: stories }]);
  const reading = readParquet({ ...file, mtimeMs: file.mtimeMs - 5000 });
  const error = await userError(() => Array.fromAsync(reading));
  assert.match(error.message, /: it changed during preparation$/);
});

type Columns = Parameters<typeof parquetWriteBuffer>[0]["columnData"];

async function parquet(
  dir: TempDir,
  columnData: Columns,
  more: Partial<Parameters<typeof parquetWriteBuffer>[0]> = {},
): Promise<TextFile> {
  const path = join(dir.path, "a.parquet");
  const buffer = parquetWriteBuffer({
    columnData,
    codec: "UNCOMPRESSED",
    ...more,
  });
  await Deno.writeFile(path, new Uint8Array(buffer));
  return await textFile(path, { format: "parquet" });
}

Deno.test("readParquet() reads texts that pack into nothing", async () => {
  await using dir = new TempDir();
  const data = Array<string>(300_000).fill("a".repeat(4));
  const file = await parquet(dir, [
    { name: "text", data, encoding: "PLAIN" },
  ], {
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => new Uint8Array(zstdCompressSync(bytes)) },
    rowGroupSize: data.length,
  });
  assert.ok((await Deno.stat(file.path)).size < 20_000);
  assert.equal((await Array.fromAsync(readParquet(file))).length, data.length);
});

Deno.test("checkedLength() believes no page that claims too much", () => {
  const bytes = new Uint8Array(100);
  assert.equal(checkedLength(bytes, 1 << 20), 1 << 20);
  for (const length of [-1, 100 << 20, 2 ** 31 - 1]) {
    assert.throws(() => checkedLength(bytes, length), {
      message: `a page claims to have ${length} bytes`,
    });
  }
  const large = new Uint8Array(10 << 20);
  assert.throws(() => checkedLength(large, 2 ** 31 - 1));
});

Deno.test("readParquet() refuses a schema that counts columns it lacks", async () => {
  await using dir = new TempDir();
  const file = await parquet(dir, [
    { name: "id", data: [1] },
    { name: "text", data: ["a"] },
  ]);
  const bytes = await Deno.readFile(file.path);
  // In Thrift: the name of the root, then field 5 (0x15), 2 children (0x04).
  const at = new TextDecoder("latin1").decode(bytes).indexOf("root\x15\x04");
  assert.ok(at > 0);
  bytes[at + 5] = 0x08; // 4 children
  await Deno.writeFile(file.path, bytes);
  const { mtimeMs } = await textFile(file.path);
  const { message } = await userError(() =>
    Array.fromAsync(readParquet({ ...file, mtimeMs }))
  );
  assert.match(message, /^Cannot read dataset ".*" as Parquet: /);
});
