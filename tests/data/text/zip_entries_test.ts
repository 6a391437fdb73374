import assert from "node:assert/strict";
import { join } from "node:path";
import { zipSync } from "fflate";
import { listFiles } from "../../../src/data/sources/local_files.ts";
import { readJsonLines } from "../../../src/data/text/json_lines.ts";
import { readText } from "../../../src/data/text/text_file.ts";
import { listZip } from "../../../src/data/text/zip_entries.ts";
import { TempDir, userError } from "../_helpers.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const long = "The fox and the owl went to the old mill.\n".repeat(50_000);

Deno.test("listFiles() lists the texts of an archive by path", async () => {
  await using dir = new TempDir();
  const path = await archive(dir, {
    "b.txt": utf8("second"),
    "a/z.md": utf8(long),
    "a/c.jsonl": utf8('{"text": "third"}\n'),
    "__MACOSX/._b.txt": utf8("no"),
    ".hidden.txt": utf8("no"),
    "image.png": utf8("no"),
    "again.txt.gz": utf8("no"),
  });
  const files = await listFiles(path);
  assert.deepEqual(
    files.map(({ name, format }) => [name.slice(path.length), format]),
    [["/a/c.jsonl", "jsonl"], ["/a/z.md", "text"], ["/b.txt", "text"]],
  );
  assert.deepEqual(await Array.fromAsync(readJsonLines(files[0])), ["third"]);
  assert.ok(await textOf(files[1]) === long);
  assert.equal(await textOf(files[2]), "second");
});

Deno.test("listFiles() refuses an archive without known names", async () => {
  await using dir = new TempDir();
  const only = await archive(dir, { "notes": utf8("plain words") });
  const error = await userError(() => listFiles(only));
  assert.equal(
    error.message,
    `Cannot use archive "${only}": it has no .txt, .md or .jsonl file`,
  );
});

Deno.test("readText() reads entries that are stored, and counts their bytes", async () => {
  await using dir = new TempDir();
  const path = await archive(dir, { "a.txt": [utf8(long), { level: 0 }] });
  const [file] = await listFiles(path);
  assert.equal(file.entry?.method, "stored");
  let count = 0;
  assert.ok(await textOf(file, (bytes) => count += bytes) === long);
  assert.equal(count, long.length);
});

Deno.test("readText() notices every damaged byte of an archive", async () => {
  await using dir = new TempDir();
  const text = "some words that do not repeat: 0123456789";
  for (const level of [0, 9] as const) {
    const path = await archive(dir, { "a.txt": [utf8(text), { level }] });
    const bytes = await Deno.readFile(path);
    for (let at = 0; at < bytes.length; at++) {
      const copy = bytes.slice();
      copy[at] ^= 0x5a;
      const damaged = await dir.write("damaged.zip", copy);
      let got: string | null = null;
      try {
        got = await textOf((await listFiles(damaged))[0]);
      } catch {
        continue; // what is wanted, in whatever words
      }
      // Names, times and versions are not the text's.
      assert.equal(got, text, `byte ${at} of ${bytes.length}`);
    }
  }
});

Deno.test("listFiles() refuses archives that are cut short or locked", async () => {
  await using dir = new TempDir();
  const path = await archive(dir, { "a.txt": utf8(long) });
  const bytes = await Deno.readFile(path);
  const cut = await dir.write("cut.zip", bytes.subarray(0, -30));
  assert.equal(
    (await userError(() => listFiles(cut))).message,
    `Cannot read dataset "${cut}": it is no zip archive, or a damaged one`,
  );
  const locked = bytes.slice();
  const directory = findBytes(locked, [0x50, 0x4b, 1, 2]);
  locked[directory + 8] |= 1;
  const name = await dir.write("locked.zip", locked);
  assert.equal(
    (await userError(() => listFiles(name))).message,
    `Cannot read dataset "${name}/a.txt": it is encrypted`,
  );
});

Deno.test("listZip() reads sizes and places of 64 bits", async () => {
  await using dir = new TempDir();
  const path = await archive(dir, { "a.txt": utf8("words") });
  const path64 = await dir.write("b.zip", toZip64(await Deno.readFile(path)));
  using plain = await Deno.open(path);
  using large = await Deno.open(path64);
  const [expected] = (await listZip(plain))!;
  const [entry] = (await listZip(large))!;
  assert.deepEqual({ ...entry, archiveBytes: 0 }, {
    ...expected,
    archiveBytes: 0,
  });
  assert.equal(await textOf((await listFiles(path64))[0]), "words");
});

/** The same archive of one entry, with a directory as large ones have it. */
function toZip64(bytes: Uint8Array): Uint8Array {
  const at = findBytes(bytes, [0x50, 0x4b, 1, 2]);
  const end = findBytes(bytes, [0x50, 0x4b, 5, 6]);
  const entry = bytes.slice(at, end);
  const fields = new DataView(entry.buffer);
  const [packed, size, place] = [20, 24, 42].map((i) =>
    fields.getUint32(i, true)
  );
  for (const i of [20, 24, 42]) fields.setUint32(i, 0xffffffff, true);
  fields.setUint16(30, 28, true); // length of the extra field
  const extra = new DataView(new ArrayBuffer(28));
  extra.setUint16(0, 1, true);
  extra.setUint16(2, 24, true);
  [size, packed, place].forEach((value, i) =>
    extra.setBigUint64(4 + 8 * i, BigInt(value), true)
  );
  const directory = [...entry, ...new Uint8Array(extra.buffer)];
  const end64 = new DataView(new ArrayBuffer(56));
  end64.setUint32(0, 0x06064b50, true);
  end64.setBigUint64(4, 44n, true);
  end64.setBigUint64(24, 1n, true);
  end64.setBigUint64(32, 1n, true);
  end64.setBigUint64(40, BigInt(directory.length), true);
  end64.setBigUint64(48, BigInt(at), true);
  const locator = new DataView(new ArrayBuffer(20));
  locator.setUint32(0, 0x07064b50, true);
  locator.setBigUint64(8, BigInt(at + directory.length), true);
  locator.setUint32(16, 1, true);
  const last = bytes.slice(end);
  last.fill(0xff, 8, 20);
  return new Uint8Array([
    ...bytes.subarray(0, at),
    ...directory,
    ...new Uint8Array(end64.buffer),
    ...new Uint8Array(locator.buffer),
    ...last,
  ]);
}

function findBytes(bytes: Uint8Array, wanted: number[]): number {
  return bytes.findIndex((_, at) =>
    wanted.every((byte, i) => bytes[at + i] === byte)
  );
}

async function textOf(
  file: Parameters<typeof readText>[0],
  onBytes?: (count: number) => void,
): Promise<string> {
  const chunks = await Array.fromAsync(readText(file, { onBytes }));
  return chunks.map(({ text }) => text).join("");
}

async function archive(
  dir: TempDir,
  entries: Parameters<typeof zipSync>[0],
): Promise<string> {
  const path = join(dir.path, "a.zip");
  await Deno.writeFile(path, zipSync(entries));
  return path;
}
