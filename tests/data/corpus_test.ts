import assert from "node:assert/strict";
import {
  checkSources,
  type Corpus,
  corpusParts,
  partsBytes,
  readPassages,
  type Side,
  sideOf,
} from "../../src/data/corpus.ts";
import { textFingerprint } from "../../src/data/fingerprint.ts";
import {
  resolveSources,
  type SourceSetting,
} from "../../src/data/sources/resolve_sources.ts";
import { TempDir, textFile, userError } from "./_helpers.ts";

Deno.test("readPassages() cuts one text by position, as nanoGPT does", async () => {
  await using dir = new TempDir();
  const text = "0123456789".repeat(11) + "abcdef"; // 116 bytes
  const path = await dir.write("a.txt", text);
  const { train, val } = await sides(await corpus(path, 0.1));
  assert.equal(train.join("|"), text.slice(0, 104)); // int(116 * 0.9)
  assert.equal(val.join("|"), text.slice(104) + "$");
});

Deno.test("readPassages() cuts between characters, also across reads", async () => {
  await using dir = new TempDir();
  const character = "\u{1f525}"; // 4 bytes; the cut falls into one
  const text = character.repeat(600_001); // 2.4 MB, so several reads
  const path = await dir.write("a.txt", text);
  const { train, val } = await sides(await corpus(path, 0.5));
  assert.ok(train.join("") === character.repeat(300_001));
  assert.ok(val.join("") === character.repeat(300_000) + "$");
});

Deno.test("readPassages() joins text files before it cuts", async () => {
  await using dir = new TempDir();
  await dir.write("1.txt", "aaaa");
  await dir.write("2.txt", ""); // passed over
  await dir.write("3.txt", "bbbbbb");
  await dir.write("4.txt", "cc");
  const { train, val } = await sides(await corpus(dir.path, 0.5));
  assert.deepEqual(train, ["aaaa$", "bb"]); // 6 of 12 bytes
  assert.deepEqual(val, ["bbbb$", "cc$"]);
});

Deno.test("readPassages() cuts no file when the cut is at its end", async () => {
  await using dir = new TempDir();
  await dir.write("1.txt", "aaaa");
  await dir.write("2.txt", "bbbb");
  const { train, val } = await sides(await corpus(dir.path, 0.5));
  assert.deepEqual(train, ["aaaa$"]);
  assert.deepEqual(val, ["bbbb$"]);
});

Deno.test("readPassages() splits each source by itself", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", "aaaa");
  const b = await dir.write("b.txt", "bbbbbb");
  const train = await checked([a, b]);
  const found = await sides({
    train,
    weights: null,
    val: null,
    valFraction: 0.5,
  });
  assert.deepEqual(found, { train: ["aa", "bbb"], val: ["aa$", "bbb$"] });
});

Deno.test("readPassages() puts documents whole on a side by their text", async () => {
  await using dir = new TempDir();
  const texts = Array.from({ length: 2000 }, (_, i) => `document ${i % 1500}`);
  const lines = texts.map((text) => JSON.stringify({ text })).join("\n");
  const path = await dir.write("a.jsonl", lines);
  const { train, val } = await sides(await corpus(path, 0.2));
  assert.equal(train.length + val.length, 2000);
  // binomial: 1500 draws at 0.2 give 300, standard deviation 15
  assert.ok(Math.abs(new Set(val).size - 300) < 60, `${new Set(val).size}`);
  assert.ok(new Set(train).isDisjointFrom(new Set(val)));

  // more documents move none that were there
  const more = await dir.write("b.jsonl", `{"text": "new"}\n${lines}`);
  const later = await sides(await corpus(more, 0.2));
  assert.deepEqual(later.val.filter((text) => text !== "new$"), val);
});

Deno.test("sideOf() moves documents one way as the fraction grows", () => {
  for (let i = 0; i < 200; i++) {
    const inVal = [0.05, 0.1, 0.5, 0.9].map((fraction) =>
      Number(sideOf(`text ${i}`, fraction) === "val")
    );
    assert.deepEqual(inVal, inVal.toSorted());
  }
});

Deno.test("readPassages() takes separate validation files whole", async () => {
  await using dir = new TempDir();
  const train = await dir.write("t.txt", "train");
  const val = await dir.write("v.jsonl", '{"text": "one"}\n{"text": "two"}');
  const found = await sides({
    train: await checked(train),
    weights: null,
    val: await checked(val),
    valFraction: null,
  });
  assert.deepEqual(found, { train: ["train$"], val: ["one$", "two$"] });
});

Deno.test("readPassages() closes the file of a part that is not taken", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "x".repeat(3_000_000));
  const [source] = await checked(path);
  const parts = readPassages({ source, valFraction: 0.9 });
  for await (const { side, chunks } of parts) {
    if (side === "train") { for await (const _ of chunks); }
  } // the sanitizer of Deno.test fails on an open file
});

Deno.test("readPassages() keeps to the files that a source has for validation", async () => {
  await using dir = new TempDir();
  const lines = (...texts: string[]) =>
    texts.map((text) => JSON.stringify({ text }) + "\n").join("");
  const jsonl = await dir.write("a.jsonl", lines("one", "two"));
  const held = await dir.write("b.jsonl", lines("three"));
  const plain = await dir.write("c.txt", "four");
  const plainHeld = await dir.write("d.txt", "five");
  const files = [
    await textFile(jsonl, { format: "jsonl" }),
    await textFile(held, { format: "jsonl", side: "val" }),
    await textFile(plain),
    await textFile(plainHeld, { side: "val" }),
  ];
  const [source] = await checkSources(
    [{ kind: "files", name: "mixed", files }],
    { known: () => null },
  );
  const read = async (valFraction: number) => {
    const sides = { train: [] as string[], val: [] as string[] };
    let bytes = 0;
    const part = { source, valFraction };
    const onBytes = (count: number) => bytes += count;
    for await (const { side, chunks } of readPassages(part, { onBytes })) {
      sides[side].push((await Array.fromAsync(chunks)).join(""));
    }
    assert.equal(bytes, partsBytes([part]));
    return sides;
  };
  const train = ["one", "two", "four"], val = ["three", "five"];
  assert.deepEqual(await read(0.1), { train, val });
  assert.deepEqual(await read(0), { train, val: [] });
  assert.deepEqual(await read(1), { train: [], val });
});

Deno.test("checkSources() refuses sources without text", async () => {
  await using dir = new TempDir();
  const cases = [
    await dir.write("empty.txt", ""),
    await dir.write("mark.txt", "\ufeff"),
    await dir.write("empty.jsonl", '\n{"text": ""}\n'),
  ];
  for (const path of cases) {
    const error = await userError(() => checked(path));
    assert.equal(error.message, `Cannot use dataset "${path}": it is empty`);
    assert.equal(
      error.hint,
      "give a file with text in it, or --dataset sample",
    );
    assert.equal(error.exitCode, 2);
  }
});

Deno.test("textFingerprint() knows contents, order and sides, not names", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", "a"), b = await dir.write("b.txt", "b");
  const copy = await dir.write("copy.txt", "a");
  const of = async (train: SourceSetting, val: SourceSetting | null) =>
    textFingerprint({
      train: await checked(train),
      weights: null,
      val: val === null ? null : await checked(val),
      valFraction: null,
    });
  const expected = await of([a, b], null);
  assert.equal(await of([copy, b], null), expected);
  const others = await Promise.all([
    of([b, a], null),
    of([a], null),
    of(["sample", a, b], null),
    of([a], [b]),
    of([a, b], [b]),
  ]);
  assert.equal(new Set([expected, ...others]).size, 6);
});

async function checked(setting: SourceSetting) {
  return await checkSources(await resolveSources(setting, { dataDir: "" }), {
    known: () => null,
  });
}

async function corpus(path: string, valFraction: number): Promise<Corpus> {
  const train = await checked(path);
  return { train, weights: null, val: null, valFraction };
}

/** The parts of each side, with "$" where a document ends. */
async function sides(corpus: Corpus): Promise<Record<Side, string[]>> {
  const found: Record<Side, string[]> = { train: [], val: [] };
  for (const part of corpusParts(corpus)) {
    for await (const { side, chunks, endsDocument } of readPassages(part)) {
      const text = (await Array.fromAsync(chunks)).join("");
      found[side].push(text + (endsDocument ? "$" : ""));
    }
  }
  return found;
}
