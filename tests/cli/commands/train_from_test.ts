import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Workspace } from "../_workspace.ts";

const MODELS = fileURLToPath(
  new URL("../../fixtures/models/", import.meta.url),
);
const QUICK = ["--batch-size", "2", "--threads", "1", "--eval-batches", "4"];

/** A workspace with the run `base`, an import. */
async function imported(name: string): Promise<Workspace> {
  const workspace = await Workspace.create();
  const argv = ["import", `${MODELS}${name}`, "--as", "base"];
  const { code, err } = await workspace.run(argv);
  assert.equal(code, 0, err);
  return workspace;
}

/** `hearth train` on the workspace's text. */
function trainFrom(workspace: Workspace, argv: string[]) {
  const dataset = workspace.path("text.txt");
  return workspace.run(["train", "--dataset", dataset, ...QUICK, ...argv]);
}

async function state(workspace: Workspace, run: string) {
  const { out } = await workspace.run(["status", run, "--json"]);
  return JSON.parse(out);
}

Deno.test("hearth train --from begins with the parameters of a run", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--run-id", "base", "--quiet"]);
  const argv = ["--from", "base", "--run-id", "next", "--steps", "0"];
  const dataset = workspace.path("text.txt");
  const { code, err } = await workspace.run(
    ["train", "--dataset", dataset, "--batch-size", "2", ...argv],
  );
  assert.equal(code, 0, err);
  assert.match(
    err,
    /^model +gpt2, .*\(nLayer 1, nHead 2, nEmbd 8, seqLen 8\)/m,
  );
  assert.match(err, /The parameters are those of base\/step-00000004$/m);
  const { valLoss } = await state(workspace, "base");
  assert.equal((await state(workspace, "next")).valLoss, valLoss);
});

Deno.test("hearth train --from trains an import on, and goes on", async () => {
  // Heads wider than nEmbd / nHead, more rows than the tokenizer has ids.
  await using workspace = await imported("llama_bf16");
  const argv = ["--from", "base", "--run-id", "next", "--seq-len", "32"];
  const quick = ["--steps", "6", "--lr", "0.01", "--warmup-steps", "0"];
  const run = await trainFrom(workspace, [...argv, ...quick]);
  assert.equal(run.code, 0, run.err);
  const losses = [...run.err.matchAll(/val loss ([\d.]+)/g)]
    .map(([, loss]) => Number(loss));
  assert.equal(losses.length, 2, run.err); // before the first step, and last
  assert.ok(losses[1] < losses[0], run.err);

  const more = await workspace.run(["resume", "next", "--more-steps", "2"]);
  assert.equal(more.code, 0, more.err);
  assert.equal((await state(workspace, "next")).step, 8);
  const read = async (file: string) =>
    JSON.parse(await Deno.readTextFile(workspace.path(file)));
  const meta = await read("runs/next/meta.json");
  assert.equal(meta.config.from, "base/step-00000000"); // a name that stays
  const config = await read("checkpoints/next/step-00000008/config.json");
  const { head_dim, vocab_size, max_position_embeddings, ...tokens } = config;
  assert.deepEqual([head_dim, vocab_size, max_position_embeddings], [
    8,
    608,
    32,
  ]);
  assert.deepEqual([tokens.bos_token_id, tokens.eos_token_id], [1, 2]);
  const text = await workspace.run(
    ["generate", "next", "--max-new-tokens", "3"],
  );
  assert.equal(text.code, 0, text.err);
});

Deno.test("hearth train --from keeps the first of learned positions", async () => {
  await using workspace = await imported("gpt2_f16");
  const loss = async (argv: string[]) => {
    const steps = ["--from", "base", "--steps", "0", ...argv];
    const { code, err } = await trainFrom(workspace, steps);
    assert.equal(code, 0, err);
    return (await state(workspace, "latest")).valLoss;
  };
  // Not the same windows, but the same model.
  const [short, long] = [await loss(["--seq-len", "16"]), await loss([])];
  assert.ok(Math.abs(short - long) < 0.5, `${short} and ${long}`);
});

const REFUSED: [what: string, argv: string[], message: string][] = [
  [
    "another shape",
    ["--n-layer", "6"],
    'Cannot use model.nLayer 6 with from "base/step-00000000": its model has 2',
  ],
  [
    "another tokenizer",
    ["--tokenizer", "byte"],
    "Cannot use tokenizer.type byte with from " +
    '"base/step-00000000": its model has file',
  ],
  [
    "a longer context",
    ["--seq-len", "97"],
    "Cannot use seqLen 97: the model was made for 96 tokens",
  ],
];

Deno.test("hearth train --from refuses what would be another model", async (t) => {
  await using workspace = await imported("gpt2_f16");
  for (const [what, argv, message] of REFUSED) {
    await t.step(what, async () => {
      const { code, err } = await trainFrom(workspace, [
        "--from",
        "base",
        ...argv,
      ]);
      assert.equal(code, 2, err);
      assert.ok(err.includes(`error: ${message}\nhint: `), err);
    });
  }
  const { code, err } = await trainFrom(workspace, ["--from", "bass"]);
  assert.equal(code, 2);
  assert.match(err, /^error: There is no run "bass"/);
  assert.deepEqual(
    await Array.fromAsync(Deno.readDir(workspace.path("runs")), (e) => e.name),
    ["base"],
  );
});
