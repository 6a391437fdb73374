import assert from "node:assert/strict";
import { Workspace } from "./_workspace.ts";

Deno.test("hearth train says once that it cannot save, and how it ended", async () => {
  await using workspace = await Workspace.create();
  const inTheWay = workspace.path("checkpoints");
  const { code, err } = await workspace.train(
    ["--steps", "6", "--checkpoint-every", "1", "--log-every", "2"],
    {
      onStderr: (text) => {
        if (text.startsWith("plan")) Deno.writeTextFileSync(inTheWay, "");
      },
    },
  );
  assert.equal(code, 1, err);
  const lines = err.split("\n").filter((line) => /save/.test(line));
  assert.deepEqual(lines, [
    "warning: Cannot save the checkpoint of step 1: a part of the path is a " +
    "file; training goes on to the next one",
    "error: Cannot save the checkpoint of step 6: a part of the path is a file",
  ]);

  await Deno.remove(inTheWay);
  const { out } = await workspace.run(["status"]);
  assert.match(out, /^status +failed/m);
  assert.equal(out.match(/steps 1 to 5, 5 in a row/g)?.length, 1, out);
  const log = await Deno.readTextFile(workspace.path("runs/owl-1/train.log"));
  assert.equal(log.match(/Cannot save/g)?.length, 2, log);
});

Deno.test("hearth train refuses a root where checkpoints have no place", async () => {
  await using workspace = await Workspace.create();
  await workspace.write("checkpoints", "a file in the way");
  const { code, err } = await workspace.train(["--steps", "6"]);
  assert.equal(code, 2, err);
  assert.match(
    err,
    /^error: Cannot write to "ROOT.checkpoints.owl-1": a part of the path is a file$/m,
  );
});
