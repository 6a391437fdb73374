import assert from "node:assert/strict";
import { join } from "node:path";
import { trainTokenizer } from "../../src/tokenizer/train.ts";
import { readFixture } from "./_helpers.ts";

const TEXT = "the cat and the hat, the cat and the bat";

Deno.test("trainTokenizer() trains bpe and says how large it became", async () => {
  const tokenizer = await trainTokenizer({ type: "bpe", vocabSize: 2048 }, [
    TEXT,
  ]);
  assert.equal(tokenizer.type, "bpe");
  assert.equal(tokenizer.endOfText, 0);
  // Every merge was seen twice or more: "at", " the", " cat", " and".
  const { model } = JSON.parse(tokenizer.json);
  assert.equal(tokenizer.vocabSize, 257 + model.merges.length);
  assert.ok(
    " cat" in tokens(tokenizer.json) && !(" bat" in tokens(tokenizer.json)),
  );
  assert.equal(tokenizer.decode(tokenizer.encode(TEXT)), TEXT);
});

Deno.test("trainTokenizer() collects the characters for char", async () => {
  const tokenizer = await trainTokenizer({ type: "char", vocabSize: 300 }, [
    "hello",
    " you",
  ]);
  assert.equal(tokenizer.type, "char");
  assert.equal(tokenizer.vocabSize, 7);
  assert.equal(tokenizer.endOfText, null);
  assert.deepEqual([...tokenizer.encode("hey")], [2, 1, 6]);
});

Deno.test("trainTokenizer() gives bytes their own value as id", async () => {
  const tokenizer = await trainTokenizer({ type: "byte", vocabSize: 300 }, []);
  assert.equal(tokenizer.type, "byte");
  assert.deepEqual([...tokenizer.encode("é\0\xff")], [
    0xc3,
    0xa9,
    0,
    0xc3,
    0xbf,
  ]);
  assert.equal(tokenizer.endOfText, 256);
  assert.deepEqual(
    JSON.parse(tokenizer.json),
    JSON.parse(readFixture("byte.json")),
  );
});

Deno.test("trainTokenizer() reads a file, or the folder of a model", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "tokenizer.json");
    await Deno.writeTextFile(path, readFixture("llama.json"));
    for (const where of [path, folder]) {
      const settings = { type: "file" as const, vocabSize: 300, path: where };
      const tokenizer = await trainTokenizer(settings, []);
      assert.equal(tokenizer.type, "file");
      assert.equal(tokenizer.vocabSize, 600);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("trainTokenizer() names the file it cannot read", async () => {
  const settings = { type: "file" as const, vocabSize: 300 };
  await assert.rejects(trainTokenizer({ ...settings, path: "no/such" }, []), {
    name: "UserError",
    message: 'Cannot read tokenizer "no/such": no such file',
    hint: "set tokenizer.path to a tokenizer.json, or to its folder",
    exitCode: 2,
  });
  await assert.rejects(trainTokenizer(settings, []), {
    name: "UserError",
    message: "Cannot open a tokenizer of type file: no path given",
    exitCode: 2,
  });
});

/** The vocabulary of a tokenizer.json, with spaces as spaces. */
function tokens(json: string): Record<string, number> {
  return JSON.parse(json.replaceAll("Ġ", " ")).model.vocab;
}
