import assert from "node:assert/strict";
import { Workspace } from "../_workspace.ts";

/** Trains long enough to learn the text by heart. */
const LONG = [
  ...["--steps", "40", "--lr", "0.03", "--eval-every", "5"],
  ...["--warmup-steps", "1"],
];

Deno.test("the end of a run offers the best checkpoint when the last is worse", async () => {
  await using workspace = await Workspace.create();
  // Nothing of what the model learns is of use here.
  const other = await workspace.write(
    "other.txt",
    "qz xj kv wq zx jk vv qx ".repeat(40),
  );
  const { code, err } = await workspace.train([
    ...LONG,
    ...["--val-dataset", other],
  ]);
  assert.equal(code, 0, err);
  const [, step] = /generate owl-1\/best --prompt .* \((step-\d+): val/.exec(
    err,
  )!;
  const best = await Deno.readTextFile(
    workspace.path("checkpoints/owl-1/best"),
  );
  assert.equal(step, best.trim());
  assert.notEqual(step, "step-00000040");
});

Deno.test("the end of a run offers no other checkpoint than a best last one", async () => {
  await using workspace = await Workspace.create();
  const { code, err } = await workspace.train(LONG);
  assert.equal(code, 0, err);
  assert.match(err, /generate owl-1 --prompt/);
  assert.doesNotMatch(err, /\/best/);
});
