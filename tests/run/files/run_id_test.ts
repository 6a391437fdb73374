import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { makeRunDirectory } from "../../../src/run/files/run_directory.ts";
import { checkRunId, newRunId } from "../../../src/run/files/run_id.ts";
import { inTempDir, listTree } from "../_helpers.ts";

Deno.test("newRunId() takes turns with the words and counts their runs", () => {
  const taken = new Set<string>();
  for (let i = 0; i < 18; i++) taken.add(newRunId(taken));
  assert.deepEqual([...taken].slice(0, 3), ["owl-1", "fox-1", "elk-1"]);
  assert.deepEqual([...taken].slice(16), ["owl-2", "fox-2"]);
  assert.equal(newRunId(new Set(["a", "b", "elk-1"])), "bee-1");
  assert.equal(newRunId(new Set(["fox-1"])), "fox-2");
});

Deno.test("checkRunId() allows what is a directory name everywhere", () => {
  for (const id of ["a", "owl-1", "GPT2_small.v2", "x".repeat(64), "console"]) {
    checkRunId(id);
  }
});

for (
  const id of [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "-x",
    "x.",
    "a b",
    "é",
    "latest",
    "best",
    "NUL",
    "com1.txt",
    "a\0",
    "x".repeat(65),
  ]
) {
  Deno.test(`checkRunId() refuses ${JSON.stringify(id).slice(0, 20)}`, () => {
    assert.throws(
      () => checkRunId(id),
      (error) =>
        error instanceof UserError && error.exitCode === 2 &&
        error.message.startsWith(`Cannot name a run "${id}"`),
    );
  });
}

Deno.test("makeRunDirectory() gives every caller its own id", () =>
  inTempDir(async (root) => {
    const made = await Promise.all(
      Array.from({ length: 8 }, () => makeRunDirectory(root)),
    );
    assert.equal(new Set(made.map(({ runId }) => runId)).size, 8);
  }));

Deno.test("makeRunDirectory() passes over an id that has only checkpoints", () =>
  inTempDir(async (root) => {
    await Deno.mkdir(`${root}/checkpoints/owl-1`, { recursive: true });
    assert.equal((await makeRunDirectory(root)).runId, "fox-1");
    await assert.rejects(makeRunDirectory(root, "owl-1"), UserError);
  }));

Deno.test("makeRunDirectory() names the way on when the id is taken", () =>
  inTempDir(async (root) => {
    await makeRunDirectory(root, "mine");
    await assert.rejects(
      makeRunDirectory(root, "mine"),
      new UserError('Cannot start "mine": a run of that name exists', {
        hint: "type hearth resume mine to go on with it, or choose another " +
          "--run-id",
        exitCode: 2,
      }),
    );
  }));

Deno.test("makeRunDirectory() explains what the file system refuses", () =>
  inTempDir(async (root) => {
    await Deno.writeTextFile(`${root}/file`, "");
    await assert.rejects(
      makeRunDirectory(`${root}/file`),
      (error) =>
        error instanceof UserError &&
        error.message ===
          `Cannot look for runs in "${root}/file/runs": a part of the path ` +
            "is a file",
    );
  }));

Deno.test("undo() removes what was made, and nothing else", () =>
  inTempDir(async (root) => {
    const first = await makeRunDirectory(`${root}/new/place`);
    await first.undo();
    assert.deepEqual(await listTree(root), []);

    const second = await makeRunDirectory(`${root}/new/place`);
    await Deno.mkdir(`${root}/new/place/data`);
    await second.undo();
    assert.deepEqual(await listTree(root), [
      "new",
      "new/place",
      "new/place/data",
    ]);
  }));

Deno.test("makeRunDirectory() survives that another undoes its own", () =>
  inTempDir(async (root) => {
    const other = await makeRunDirectory(root);
    const { mkdir } = Deno;
    try {
      // `runs` goes with the other after this one has looked for it.
      Deno.mkdir = async (path, options) => {
        if (`${path}`.endsWith("fox-1")) {
          Deno.mkdir = mkdir;
          await other.undo();
        }
        await mkdir(path, options);
      };
      const { paths } = await makeRunDirectory(root);
      assert.ok((await Deno.stat(paths.dir)).isDirectory);
    } finally {
      Deno.mkdir = mkdir;
    }
  }));
