import assert from "node:assert/strict";
import { inTempDir } from "../base/_helpers.ts";
import { TEXT } from "../cli/_workspace.ts";

/** Runs an example as its header says. */
async function run(name: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--frozen", "--no-check"],
      ...[`examples/${name}.ts`, ...args],
    ],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr]
    .map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

Deno.test("examples train, write, stop early and write in batches", () =>
  inTempDir(async (root) => {
    const text = `${root}/text.txt`;
    await Deno.writeTextFile(text, TEXT);

    const trained = await run("train_and_generate", text, root, "3");
    assert.equal(trained.code, 0, trained.err);
    assert.match(trained.out, /^step 3: val loss \d\.\d{3}$/m);
    assert.match(trained.out, /^The /m);

    const prompts = `${root}/prompts.txt`;
    await Deno.writeTextFile(prompts, "the cat\nthe mat\n");
    const batch = await run("batch_generate", "latest", prompts, root, "4");
    assert.equal(batch.code, 0, batch.err);
    const rows = batch.out.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      rows.map(({ seed, prompt }) => [seed, prompt]),
      [[0, "the cat"], [1, "the mat"]],
    );
    const none = await run("batch_generate", "fox", prompts, root);
    assert.deepEqual([none.code, none.out], [2, ""]);
    assert.match(none.err, /^There is no run "fox"\nhint: /);

    // A text of one sentence is learned by heart, so the loss stops falling.
    const stopped = await run("early_stopping", text, root, "2000");
    assert.equal(stopped.code, 0, stopped.err);
    const evals = [...stopped.out.matchAll(/step (\d+): val loss/g)];
    const last = Number(evals.at(-1)![1]);
    assert.match(stopped.out, /^stopped early$/m);
    assert.match(stopped.out, new RegExp(`^went on to step ${last + 5}$`, "m"));
  }));

Deno.test("the example of ops learns which points lie in a circle", async () => {
  const { code, out, err } = await run("tiny_mlp", "cpu", "300");
  assert.equal(code, 0, err);
  const losses = [...out.matchAll(/loss ([\d.]+)/g)].map(([, v]) => Number(v));
  assert.equal(losses.length, 4);
  // Guessing the more frequent class gives an entropy of about 0.67.
  assert.ok(losses[0] > 0.4 && losses[3] < 0.1, out);
});
