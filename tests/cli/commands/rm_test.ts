import assert from "node:assert/strict";
import { acquireLock } from "../../../src/run/files/lock.ts";
import type { FakeSettings } from "../_fake_io.ts";
import { Workspace } from "../_workspace.ts";

/** A root with the runs `a` and `b`. */
async function twoRuns(): Promise<Workspace> {
  const workspace = await Workspace.create();
  for (const runId of ["a", "b"]) {
    await workspace.train(["--steps", "2", "--run-id", runId]);
  }
  return workspace;
}

async function runIds(workspace: Workspace): Promise<string[]> {
  const { out } = await workspace.run(["runs", "--json"]);
  return JSON.parse(out).map(({ runId }: { runId: string }) => runId).sort();
}

/** A terminal, and a person who answers. */
function answering(answer: boolean, questions: string[]): FakeSettings {
  return {
    tty: true,
    confirm(question) {
      questions.push(question.replaceAll(/\d[\d.]* [kM]?B/g, "# kB"));
      return answer;
    },
  };
}

Deno.test("hearth rm asks, and removes if the answer is yes", async () => {
  await using workspace = await twoRuns();
  const questions: string[] = [];
  const no = await workspace.run(["rm", "a", "b"], answering(false, questions));
  assert.deepEqual(no, { code: 0, out: "", err: "nothing was removed\n" });
  assert.deepEqual(await runIds(workspace), ["a", "b"]);

  const yes = await workspace.run(["rm", "a"], answering(true, questions));
  assert.equal(yes.code, 0);
  assert.match(yes.out, /^a is removed, [\d.]+ kB freed\n$/);
  assert.deepEqual(await runIds(workspace), ["b"]);
  assert.deepEqual(questions, [
    "Remove a (# kB), b (# kB) for good?",
    "Remove a (# kB) for good?",
  ]);
});

Deno.test("hearth rm --yes does not ask, and each run counts once", async () => {
  await using workspace = await twoRuns();
  const { code, out } = await workspace.run(
    ["rm", "a", "b", "a", "--yes", "--json"],
  );
  assert.equal(code, 0);
  const { removed, sizeBytes } = JSON.parse(out);
  assert.deepEqual(
    removed.map(({ runId }: { runId: string }) => runId),
    ["a", "b"],
  );
  assert.equal(sizeBytes, removed[0].sizeBytes + removed[1].sizeBytes);
  assert.deepEqual(await runIds(workspace), []);
});

Deno.test("hearth rm needs a terminal to ask, or --yes", async () => {
  await using workspace = await twoRuns();
  assert.deepEqual(await workspace.run(["rm", "a"]), {
    code: 2,
    out: "",
    err: "error: Cannot ask whether to remove a: there is no terminal\n" +
      "hint: add --yes to remove without asking\n",
  });
  assert.deepEqual(await runIds(workspace), ["a", "b"]);
});

Deno.test("hearth rm removes nothing if one of the runs cannot be", async () => {
  await using workspace = await twoRuns();
  const lock = await acquireLock(workspace.path("runs/b/lock"), "b");
  const training = await workspace.run(["rm", "a", "b", "--yes"]);
  assert.deepEqual([training.code, training.out], [1, ""]);
  assert.equal(
    training.err,
    `error: Cannot remove "b": process ${Deno.pid} is training it\n` +
      "hint: type hearth stop b first\n",
  );
  await lock.release();
  const missing = await workspace.run(["rm", "a", "c", "--yes"]);
  assert.deepEqual([missing.code, missing.out], [2, ""]);
  assert.deepEqual(await runIds(workspace), ["a", "b"]);
});
