import assert from "node:assert/strict";
import { readJsonLines } from "../../../src/data/text/json_lines.ts";
import { TempDir, textFile, userError } from "../_helpers.ts";

Deno.test("readJsonLines() gives the texts of all lines that are not blank", async () => {
  await using dir = new TempDir();
  const path = await dir.write(
    "a.jsonl",
    '{"text": "one\\ntwo", "id": 7}\r\n\n  \n{"text": ""}\n{"text": "\\u00e4"}',
  );
  assert.deepEqual(await textsOf(path), ["one\ntwo", "", "\u00e4"]);
});

Deno.test("readJsonLines() replaces lone surrogates, which UTF-8 cannot hold", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.jsonl", '{"text": "a\\ud800b"}\n');
  assert.deepEqual(await textsOf(path), ["a\ufffdb"]);
});

Deno.test("readJsonLines() joins lines that are longer than a read", async () => {
  await using dir = new TempDir();
  const texts = ["a".repeat(700_000), "b".repeat(2_500_000), "c"];
  const lines = texts.map((text) => JSON.stringify({ text })).join("\n");
  const path = await dir.write("long.jsonl", lines);
  assert.ok((await textsOf(path)).join() === texts.join());
});

Deno.test("readJsonLines() names the line that is wrong", async () => {
  await using dir = new TempDir();
  const cases = [
    ["{text: 1}", "is not JSON"],
    ['["text"]', 'has no field "text"'],
    ["null", 'has no field "text"'],
    ['{"content": "a"}', 'has no field "text"'],
    ['{"text": 7}', 'has a field "text" that is not a string'],
  ];
  for (const [line, what] of cases) {
    const path = await dir.write("a.jsonl", `{"text": "good"}\n\n${line}\n`);
    const error = await userError(() => textsOf(path));
    assert.equal(
      error.message,
      `Cannot read dataset "${path}": line 3 ${what}`,
    );
    assert.equal(
      error.hint,
      'give one object per line, such as {"text": "Once upon a time"}, or ' +
        "name another field with --text-column",
    );
    assert.equal(error.exitCode, 2);
  }
});

Deno.test("readJsonLines() takes the field that was named", async () => {
  await using dir = new TempDir();
  const line = '{"text": "no", "story": "yes"}\n';
  const path = await dir.write("a.jsonl", line + '{"text": "no"}\n');
  const file = await textFile(path, { format: "jsonl", column: "story" });
  const reading = readJsonLines(file);
  assert.equal((await reading.next()).value, "yes");
  const error = await userError(() => reading.next());
  assert.match(error.message, /: line 2 has no field "story"$/);
  assert.match(error.hint, /such as \{"story": "Once upon a time"\}/);
});

async function textsOf(path: string): Promise<string[]> {
  const file = await textFile(path, { format: "jsonl" });
  return await Array.fromAsync(readJsonLines(file));
}
