import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { acquireLock } from "../../src/run/files/lock.ts";
import { findRemovable, removeRun } from "../../src/run/remove_run.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { startRun } from "../../src/run/runner.ts";
import {
  collectRun,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";

/** A root with two complete runs. */
async function trainTwo(root: string): Promise<void> {
  const common = { config: twelveSteps, commandLine: [], engine: testEngine };
  await collectRun(startRun({ ...common, root, runId: "owl-1" }));
  await collectRun(startRun({ ...common, root, runId: "owl-10" }));
}

async function treeOf(root: string, runId: string): Promise<string[]> {
  return (await listTree(root)).filter((path) =>
    path.split("/")[1] === runId || path.split("/")[1] === `.removed-${runId}`
  );
}

function refuses(work: Promise<unknown>, message: string, hint: string) {
  return assert.rejects(
    work,
    (error) =>
      error instanceof UserError && error.message === message &&
      error.hint === hint,
  );
}

Deno.test("removeRun() removes one run with its checkpoints", () =>
  inTempDir(async (root) => {
    await trainTwo(root);
    const other = await treeOf(root, "owl-10");
    let sizeBytes = 0;
    for (const path of await treeOf(root, "owl-1")) {
      const { isFile, size } = await Deno.stat(`${root}/${path}`);
      if (isFile) sizeBytes += size;
    }
    assert.deepEqual(await findRemovable(root, "owl-1"), {
      runId: "owl-1",
      sizeBytes,
    });
    await removeRun(root, "owl-1");
    assert.deepEqual(await treeOf(root, "owl-1"), []);
    assert.deepEqual(await treeOf(root, "owl-10"), other);
  }));

Deno.test("findRemovable() takes no beginnings and no paths", () =>
  inTempDir(async (root) => {
    await trainTwo(root);
    await removeRun(root, "owl-1");
    await refuses(
      findRemovable(root, "owl-1"),
      'Cannot remove "owl-1": no run has exactly that id',
      "to remove owl-10, type hearth rm owl-10",
    );
    for (const runId of ["../runs/owl-10", "owl-10/", ".", "..", "", "bee-1"]) {
      await refuses(
        findRemovable(root, runId),
        `There is no run "${runId}"`,
        "there is owl-10",
      );
    }
  }));

Deno.test("a run that is being trained is not removed", () =>
  inTempDir(async (root) => {
    await trainTwo(root);
    const before = await listTree(root);
    const lock = await acquireLock(runPaths(root, "owl-1").lock, "owl-1");
    await refuses(
      findRemovable(root, "owl-1"),
      `Cannot remove "owl-1": process ${Deno.pid} is training it`,
      "type hearth stop owl-1 first",
    );
    // It may have begun since the person was asked.
    await assert.rejects(removeRun(root, "owl-1"), UserError);
    assert.deepEqual(await listTree(root), before);
    await lock.release();
  }));

/** What a kill leaves, by the moment it comes. */
const KILLED: Record<string, [from: string, to: string | null][]> = {
  "between the two renames": [["runs/owl-1", "runs/.removed-owl-1"]],
  "before it deletes": [
    ["runs/owl-1", "runs/.removed-owl-1"],
    ["checkpoints/owl-1", "checkpoints/.removed-owl-1"],
  ],
  "while it deletes": [
    ["runs/owl-1", null],
    ["checkpoints/owl-1", "checkpoints/.removed-owl-1"],
    ["checkpoints/.removed-owl-1/step-00000003", null],
  ],
};

for (const [when, changes] of Object.entries(KILLED)) {
  Deno.test(`removeRun() killed ${when} is completed by the next`, () =>
    inTempDir(async (root) => {
      await trainTwo(root);
      const other = await treeOf(root, "owl-10");
      for (const [from, to] of changes) {
        if (to) await Deno.rename(`${root}/${from}`, `${root}/${to}`);
        else await Deno.remove(`${root}/${from}`, { recursive: true });
      }
      const { sizeBytes } = await findRemovable(root, "owl-1");
      assert.ok(sizeBytes > 0);
      await removeRun(root, "owl-1");
      assert.deepEqual(await treeOf(root, "owl-1"), []);
      assert.deepEqual(await treeOf(root, "owl-10"), other);
    }));
}
