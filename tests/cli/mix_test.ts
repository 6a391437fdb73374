import assert from "node:assert/strict";
import { join } from "node:path";
import { TINY, Workspace } from "./_workspace.ts";

Deno.test("hearth train mixes texts, tells the loss of each, and resumes", async () => {
  await using workspace = await Workspace.create();
  const owl = await workspace.write("owl.txt", "who are you, owl? ".repeat(60));
  const text = workspace.path("text.txt");
  const config = await workspace.write(
    "mix.yaml",
    `data:\n  dataset:\n    - ${text}:0.75\n` +
      `    - { source: ${owl}, weight: 0.25 }\n`,
  );
  const first = await workspace.run([
    ...["train", "--config", config, ...TINY, "--steps", "4"],
    ...["--eval-every", "4", "--run-id", "owl-1"],
  ]);
  assert.equal(first.code, 0, first.err);
  assert.match(
    first.err,
    /data {4}ROOT\/text.txt:0.75, ROOT\/owl.txt:0.25: [\d,]+ tokens to/,
  );
  const losses =
    /eval 4\/4 \| val loss (\S+) .* \| text.txt (\S+) \| owl.txt (\S+)\n/;
  const [, all, a, b] = losses.exec(first.err)!.map(Number);
  assert.ok(Math.abs(all - (0.75 * a + 0.25 * b)) < 1e-4);

  const log = await Deno.readTextFile(
    workspace.path("runs/owl-1/metrics.jsonl"),
  );
  const last = JSON.parse(log.trim().split("\n").at(-1)!);
  assert.deepEqual(
    last.sources.map(({ name }: { name: string }) => name),
    [text, owl],
  );
  const status = await workspace.run(["eval", "owl-1"]);
  assert.match(status.out, /\nROOT\/owl.txt +\d\.\d{4} nats per token, /);

  // The flags mean what the file means; other weights are refused.
  const resume = (...argv: string[]) =>
    workspace.run(["resume", "owl-1", "--more-steps", "2", ...argv]);
  const again = ["--dataset", `${text}:3`, "--dataset", `${owl}:1`];
  const refused = await resume(...again);
  assert.deepEqual([refused.code, refused.err.split("\n").at(-3)], [
    2,
    'error: Cannot continue with dataset "ROOT/text.txt, ROOT/owl.txt": the ' +
    "weights changed from 0.75, 0.25 to 3, 1",
  ]);
  const resumed = await resume();
  assert.equal(resumed.code, 0, resumed.err);

  await Deno.writeTextFile(owl, "who, me? ".repeat(60));
  const changed = await resume();
  assert.match(
    changed.err,
    /the text of "ROOT\/owl.txt" changed, 1.1 kB then, 540 B now\nhint: /,
  );
  const names = await Array.fromAsync(
    Deno.readDir(join(workspace.root, "data", "tokens")),
  );
  assert.equal(names.length, 2);
});
