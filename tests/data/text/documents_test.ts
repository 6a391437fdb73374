import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { checkFile, contentKey } from "../../../src/data/text/documents.ts";
import { TempDir, textFile, userError } from "../_helpers.ts";

const sha256 = (text: string) =>
  createHash("sha256").update(text).digest("hex");

Deno.test("checkFile() counts the bytes of the text, and hashes the file's", async () => {
  await using dir = new TempDir();
  const json = '{"text": "\u00e4b"}\n\n{"text": ""}\n';
  const path = await dir.write("a.jsonl", json);
  const file = await textFile(path, { format: "jsonl" });
  assert.deepEqual(await checkFile(file, {}), {
    sha256: sha256(json),
    textBytes: 3,
  });
});

Deno.test("checkFile() notices a download that changed on disk", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "some text");
  const good = await textFile(path, { sha256: sha256("some text") });
  assert.equal((await checkFile(good, {})).textBytes, 9);
  const bad = { ...good, name: "hf:o/n/a.txt", sha256: sha256("other text") };
  const error = await userError(() => checkFile(bad, {}));
  assert.equal(
    error.message,
    `Cannot use "hf:o/n/a.txt": its download has changed on disk, in "${path}"`,
  );
  assert.equal(
    error.hint,
    "hearth data clean --downloads removes it; it is downloaded anew",
  );
});

Deno.test("contentKey() tells what of a file is read, and how", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.jsonl", "");
  const file = {
    ...await textFile(path, { format: "jsonl" }),
    sha256: "ab",
    textBytes: 0,
  };
  assert.equal(contentKey(file), "jsonl ab");
  assert.equal(contentKey({ ...file, column: "text" }), "jsonl ab");
  assert.equal(contentKey({ ...file, column: "story" }), "jsonl ab story");
  assert.equal(
    contentKey({ ...file, rows: "wikitext", side: "val" }),
    "jsonl ab wikitext val",
  );
});
