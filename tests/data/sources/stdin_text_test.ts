import assert from "node:assert/strict";
import { join } from "node:path";
import { Workspace } from "../../../src/data/disk/workspace.ts";
import { cleanRaw, listRaw } from "../../../src/data/sources/raw_files.ts";
import { keepStream } from "../../../src/data/sources/stdin_text.ts";
import { filesBelow, TempDir } from "../_helpers.ts";

Deno.test("keepStream() removes what a killed process left, and nothing else", async () => {
  await using dir = new TempDir();
  const raw = join(dir.path, "raw");
  const dead = async () => {
    await dir.write("raw/.tmp-dead/text.txt", "half");
    await dir.write("raw/.tmp-dead.lock", "");
  };
  await dead();
  await using other = await Workspace.create(raw); // somebody else's
  const alive = other.directory.slice(raw.length + 1);
  const path = await keepStream(chunks("a fox ", "ran"), dir.path);
  assert.equal(await Deno.readTextFile(path), "a fox ran");
  assert.deepEqual(await filesBelow(raw), [
    `${alive}.lock`,
    path.slice(raw.length + 1),
  ]);

  await dead();
  const [one, ...more] = await listRaw(dir.path);
  assert.deepEqual([one.directory, more], [join(path, ".."), []]);
  assert.deepEqual(await cleanRaw(dir.path), { removed: 1, freedBytes: 9 });
  assert.deepEqual(await filesBelow(raw), [`${alive}.lock`]);
  assert.ok((await Deno.stat(other.directory)).isDirectory);
});

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}
