import assert from "node:assert/strict";
import { filesBelow } from "../../data/_helpers.ts";
import { TEXT, TINY, Workspace } from "../_workspace.ts";

Deno.test("train --dataset - keeps what is piped in, also for a resume", async () => {
  await using workspace = await Workspace.create();
  const argv = ["train", "--dataset", "-", ...TINY, "--steps", "2"];
  const trained = await workspace.run(argv, { stdin: TEXT });
  assert.equal(trained.code, 0, trained.err);
  const kept = (await filesBelow(workspace.path("data/raw")))
    .filter((name) => name.endsWith("text.txt"));
  assert.equal(kept.length, 1);
  const path = workspace.path(`data/raw/${kept[0]}`);
  assert.equal(await Deno.readTextFile(path), TEXT);
  const more = await workspace.run(["resume", "latest", "--more-steps", "1"]);
  assert.equal(more.code, 0, more.err);

  // The same text is kept once, and another beside it.
  await workspace.run(argv, { stdin: TEXT });
  await workspace.run(argv, { stdin: TEXT + TEXT });
  assert.equal(
    (await Array.fromAsync(Deno.readDir(workspace.path("data/raw")))).length,
    2,
  );
});

Deno.test("train --dataset - mixes with other text, and needs a pipe", async () => {
  await using workspace = await Workspace.create();
  const mixed = await workspace.train(
    ["--dataset", "-:0.5", "--steps", "1"],
    { stdin: TEXT.toUpperCase() },
  );
  assert.equal(mixed.code, 0, mixed.err);
  const typed = await workspace.run(["train", "--dataset", "-"], {
    tty: true,
    env: { NO_COLOR: "1" },
  });
  assert.equal(typed.code, 2);
  assert.match(
    typed.err,
    /error: Cannot read dataset "-": standard input is a terminal\nhint: pipe/,
  );
});
