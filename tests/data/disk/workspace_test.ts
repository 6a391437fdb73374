import assert from "node:assert/strict";
import { join } from "node:path";
import {
  removeLeftovers,
  Workspace,
} from "../../../src/data/disk/workspace.ts";
import { filesBelow, TempDir, userError } from "../_helpers.ts";

Deno.test("Workspace.publish() shows the directory whole", async () => {
  await using dir = new TempDir();
  const parent = join(dir.path, "data/tokens");
  {
    await using workspace = await Workspace.create(parent);
    await Deno.writeTextFile(join(workspace.directory, "a"), "text");
    assert.equal(await workspace.publish("abc"), true);
  }
  assert.deepEqual(await filesBelow(parent), ["abc/a"]);
});

Deno.test("Workspace leaves nothing when it is not published", async () => {
  await using dir = new TempDir();
  {
    await using workspace = await Workspace.create(join(dir.path, "a/b"));
    await Deno.writeTextFile(join(workspace.directory, "x"), "text");
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("Workspace.publish() leaves a directory of that name alone", async () => {
  await using dir = new TempDir();
  await dir.write("abc/first", "text");
  {
    await using workspace = await Workspace.create(dir.path);
    await Deno.writeTextFile(join(workspace.directory, "second"), "text");
    assert.equal(await workspace.publish("abc"), false);
  }
  assert.deepEqual(await filesBelow(dir.path), ["abc/first"]);
});

Deno.test("removeLeftovers() spares work in progress", async () => {
  await using dir = new TempDir();
  await dir.write(".tmp-dead/train.bin", "half");
  await dir.write(".tmp-dead.lock", "");
  await dir.write(".tmp-older/train.bin", "half"); // its lock is gone
  await dir.write("abc/header.json", "{}");
  await using workspace = await Workspace.create(dir.path);
  const alive = workspace.directory.slice(dir.path.length + 1);
  assert.equal(await removeLeftovers(dir.path), 2);
  const names = (await Array.fromAsync(Deno.readDir(dir.path)))
    .map(({ name }) => name);
  assert.deepEqual(names.sort(), [alive, `${alive}.lock`, "abc"].sort());
});

Deno.test("Workspace.create() says so when a file is in the way", async () => {
  await using dir = new TempDir();
  const path = await dir.write("data", "a file");
  const error = await userError(() => Workspace.create(join(path, "tokens")));
  assert.equal(
    error.message,
    `Cannot write "${join(path, "tokens")}": a part of the path is a file`,
  );
});
