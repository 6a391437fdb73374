/** Tokens on disk: found again while they are the same, else made anew. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { OpenDatasetOptions } from "../../../src/data/open_dataset.ts";
import type { DataProgress } from "../../../src/data/progress.ts";
import {
  cleanPrepared,
  listPrepared,
  preparedPaths,
} from "../../../src/data/tokens/prepared_tokens.ts";
import { filesBelow, openAndClose, options, TempDir } from "../_helpers.ts";

const text = "The fox and the owl went to the old mill.\n".repeat(20);

Deno.test("openDataset() finds prepared tokens again", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path, { tokenizerType: "bpe" });
  const first = await openAndClose(settings);
  assert.equal(first.reused, false);
  const before = await filesBelow(settings.dataDir);
  assert.deepEqual(
    before.map((name) => name.split("/").at(-1)),
    ["header.json", "tokenizer.json", "train.bin", "val.bin"],
  );

  const phases: string[] = [];
  const again = await openAndClose({
    ...settings,
    seqLen: 8,
    batchSize: 1,
    seed: 7, // neither text nor tokens depend on these
    onProgress: ({ phase }) => phases.push(phase),
  });
  assert.equal(again.reused, true);
  assert.equal(again.fingerprint, first.fingerprint);
  assert.ok(!phases.includes("tokenizer") && !phases.includes("tokenize"));

  // a copy with another name and time is the same text
  const copy = await dir.write("copy.txt", text);
  const copied = options(dir, copy, { tokenizerType: "bpe" });
  assert.equal((await openAndClose(copied)).reused, true);
  assert.deepEqual(await filesBelow(settings.dataDir), before);
});

Deno.test("openDataset() prepares anew when text, split or tokenizer differ", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  // however slow this machine is, it was just written
  const soon = new Date(Date.now() + 3_600_000);
  await Deno.utime(path, soon, soon);
  const fingerprints = new Set<string>();
  const open = async (settings: OpenDatasetOptions, expected = false) => {
    const { reused, fingerprint } = await openAndClose(settings);
    assert.equal(reused, expected);
    fingerprints.add(fingerprint);
  };
  await open(options(dir, path));
  await open(options(dir, path, { valFraction: 0.3 }));
  await open(options(dir, path, { tokenizerType: "char" }));
  await open(options(dir, path, { valDataset: path }));
  // the same source twice is another data set made of the same tokens
  await open(options(dir, [path, path]), true);
  // another text of the same size and time: what was just written may change
  // again within one tick of the file system's clock
  await dir.write("a.txt", text.replaceAll("fox", "cat"));
  await Deno.utime(path, soon, soon);
  await open(options(dir, path));
  assert.equal(fingerprints.size, 6);
});

Deno.test("openDataset() trusts path, size and time of an old file", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const minuteAgo = new Date(Date.now() - 60_000);
  await Deno.utime(path, minuteAgo, minuteAgo);
  await openAndClose(options(dir, path));
  const read: DataProgress[] = [];
  await openAndClose(
    options(dir, path, { onProgress: (progress) => read.push(progress) }),
  );
  // only the tokens are read, two bytes each, not the text
  const { header } = (await listPrepared(join(dir.path, "data")))[0];
  const tokenBytes = 2 * (header.train.tokens + header.val.tokens);
  assert.ok(read.every(({ total }) => total === tokenBytes));
});

Deno.test("openDataset() notices damaged tokens and makes them again", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path);
  const first = await openAndClose(settings);
  const paths = preparedPaths(first.directory);
  const good = await Deno.readFile(paths.train);
  const flipped = good.slice();
  flipped[100] ^= 1;
  const damages: [() => Promise<void>, string][] = [
    [
      () => Deno.writeFile(paths.train, flipped),
      "train.bin is not what was written",
    ],
    [() => Deno.truncate(paths.val, 10), "val.bin is not what was written"],
    [() => Deno.remove(paths.val), "val.bin is missing"],
    [() => Deno.writeFile(paths.val, good), "val.bin is not what was written"],
    [
      // With its checksum: by intent, that is.
      async () => {
        const large = new Uint16Array(good.slice().buffer).fill(257, 7, 8);
        await Deno.writeFile(paths.train, new Uint8Array(large.buffer));
        const sha256 = createHash("sha256").update(large).digest("hex");
        const text = await Deno.readTextFile(paths.header);
        const header = JSON.parse(text);
        const { train } = header;
        header.train = { ...train, sha256 };
        await Deno.writeTextFile(paths.header, JSON.stringify(header));
      },
      "train.bin has the id 257, the tokenizer 257 ids",
    ],
    [
      () => Deno.writeTextFile(paths.tokenizer, "{}"),
      "tokenizer.json is not what was written",
    ],
  ];
  for (const [damage, what] of damages) {
    await damage();
    const notices: string[] = [];
    const { reused, fingerprint } = await openAndClose({
      ...settings,
      onNotice: (message) => notices.push(message),
    });
    assert.deepEqual(notices, [
      `prepared data is damaged and made again: ${what}`,
    ]);
    assert.equal(reused, false);
    assert.equal(fingerprint, first.fingerprint);
    assert.deepEqual(await Deno.readFile(paths.train), good);
    assert.equal((await openAndClose(settings)).reused, true);
  }
});

Deno.test("openDataset() does not believe a directory without a header", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path);
  const { directory } = await openAndClose(settings);
  for (const header of [null, "{", '{"version": 0}']) {
    const { header: file } = preparedPaths(directory);
    if (header === null) await Deno.remove(file);
    else await Deno.writeTextFile(file, header);
    assert.equal((await openAndClose(settings)).reused, false);
    assert.equal((await openAndClose(settings)).reused, true);
  }
});

Deno.test("openDataset() removes what a killed process left", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  await dir.write("data/tokens/.tmp-0123/train.bin", "half of it");
  await dir.write("data/tokens/.tmp-0123.lock", "");
  const { directory } = await openAndClose(options(dir, path));
  const names = await Array.fromAsync(
    Deno.readDir(join(dir.path, "data/tokens")),
  );
  assert.deepEqual(
    names.map(({ name }) => join(dir.path, "data/tokens", name)),
    [directory],
  );
});

Deno.test("listPrepared() and cleanPrepared() see finished data sets alone", async () => {
  await using dir = new TempDir();
  const dataDir = join(dir.path, "data");
  assert.deepEqual(await listPrepared(dataDir), []);
  assert.deepEqual(await cleanPrepared(dataDir), { removed: 0, freedBytes: 0 });

  const path = await dir.write("a.txt", text);
  const { directory } = await openAndClose(options(dir, path));
  await dir.write("data/tokens/.tmp-0123/train.bin", "half");
  await dir.write("data/tokens/mine/notes.txt", "kept");
  const [{ directory: found, header }, ...rest] = await listPrepared(dataDir);
  assert.deepEqual([found, rest], [directory, []]);
  assert.equal(header.source, path);
  assert.equal(header.valFraction, 0.1);
  assert.deepEqual(header.files.map(({ path }) => path), [path]);

  // An earlier version had other fields; it is no use, but ours to remove.
  const { source: _, ...old } = header;
  const earlier = JSON.stringify({ ...old, version: 1, sources: ["a.txt"] });
  await dir.write("data/tokens/0123/header.json", earlier);
  assert.equal((await listPrepared(dataDir)).length, 1);

  const bytes = 2 * (header.train.tokens + header.val.tokens);
  assert.deepEqual(await cleanPrepared(dataDir), {
    removed: 2,
    freedBytes: 2 * bytes,
  });
  assert.deepEqual(await filesBelow(dataDir), ["tokens/mine/notes.txt"]);
});

Deno.test("openDataset() prepares the same data in two processes at once", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path);
  const [one, two] = await Promise.all([
    openAndClose(settings),
    openAndClose(settings),
  ]);
  assert.equal(one.directory, two.directory);
  assert.equal((await openAndClose(settings)).reused, true);
  assert.equal((await filesBelow(settings.dataDir)).length, 4);
});
