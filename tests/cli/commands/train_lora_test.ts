/** Adapters from the command line to the files and back. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readSafetensors } from "../../base/_safetensors.ts";
import { Workspace } from "../_workspace.ts";

const LORA = ["--from", "base", "--lora-rank", "2", "--run-id", "ada"];
const LONG = ["--lr", "0.01", "--warmup-steps", "0", "--batch-size", "2"];

/** A workspace with the run `base` of 200 steps. */
async function withBase(argv: string[] = []): Promise<Workspace> {
  const workspace = await Workspace.create();
  const { code, err } = await workspace.train([
    ...["--steps", "200", "--lr", "0.01", "--run-id", "base", "--quiet"],
    ...argv,
  ]);
  assert.equal(code, 0, err);
  return workspace;
}

function adapt(workspace: Workspace, argv: string[]) {
  const dataset = workspace.path("text.txt");
  const threads = ["--threads", "1"];
  return workspace.run(["train", "--dataset", dataset, ...threads, ...argv]);
}

async function valLoss(workspace: Workspace, ref: string): Promise<number> {
  const { code, out, err } = await workspace.run(["eval", ref, "--json"]);
  assert.equal(code, 0, err);
  return JSON.parse(out).valLoss;
}

async function names(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort();
}

Deno.test("hearth train --lora-rank keeps adapters alone, and they are a model", async () => {
  await using workspace = await withBase();
  const dogs = "a big dog dug in the bog\n".repeat(300);
  await workspace.write("text.txt", dogs);
  const steps = ["--steps", "60", "--checkpoint-every", "30"];
  const run = await adapt(workspace, [...LORA, ...LONG, ...steps]);
  assert.equal(run.code, 0, run.err);
  // Rank 2 on 8 -> 24, 8 -> 8, 8 -> 32, 32 -> 8: 2 * (32 + 16 + 40 + 40).
  assert.match(
    run.err,
    /^lora +rank 2, alpha 4 on qkv, attProj, fc, fcProj: 256 parameters to train, beside those of base\/step-00000200$/m,
  );

  const last = workspace.path("checkpoints/ada/step-00000060");
  assert.deepEqual(await names(last), [
    "adapter.json",
    "adapter.safetensors",
    "config.json",
    "manifest.json",
    "meta.json",
    "optimizer.safetensors",
    "tokenizer.json",
    "trainer.json",
  ]);
  const tensors = await readSafetensors(`${last}/adapter.safetensors`);
  const numbers = tensors.reduce((n, { data }) => n + data.length, 0);
  assert.equal(numbers, 256);

  // Unmerged while it trained, merged from the files; see lora_oracle_test.ts.
  const { out } = await workspace.run(["status", "ada", "--json"]);
  const trained = JSON.parse(out).valLoss;
  const merged = await valLoss(workspace, "ada");
  assert.ok(Math.abs(merged - trained) < 1e-5, `${merged} and ${trained}`);
  const [before] = /val loss ([\d.]+)/.exec(run.err)!.slice(1).map(Number);
  assert.ok(merged < before - 1, `${before} to ${merged}`);

  const text = await workspace.run(
    ["generate", "ada", "--max-new-tokens", "3", "--quiet"],
  );
  assert.equal(text.code, 0, text.err);
});

Deno.test("hearth export writes the merged model, which imports as such", async () => {
  await using workspace = await withBase(["--arch", "llama"]);
  const steps = ["--steps", "20"];
  const run = await adapt(workspace, [...LORA, ...LONG, ...steps]);
  assert.equal(run.code, 0, run.err);
  const folder = workspace.path("merged");
  for (
    const argv of [
      ["export", "ada", "--output", folder],
      ["import", folder, "--as", "whole"],
    ]
  ) {
    const { code, err } = await workspace.run(argv);
    assert.equal(code, 0, err);
  }
  const dataset = workspace.path("text.txt");
  const loss = async (ref: string) => {
    const argv = ["eval", ref, "--dataset", dataset, "--json"];
    return JSON.parse((await workspace.run(argv)).out).valLoss;
  };
  // The same numbers, in batches of another size: other f32 means.
  const difference = await loss("whole") - await loss("ada");
  assert.ok(Math.abs(difference) < 1e-6, `${difference}`);
});

Deno.test("adapters resume bit for bit, and go on beyond their end", async () => {
  await using workspace = await withBase();
  const steps = ["--steps", "20", "--checkpoint-every", "10", ...LONG];
  const whole = await adapt(workspace, [...LORA, ...steps]);
  assert.equal(whole.code, 0, whole.err);
  const dir = workspace.path("checkpoints/ada/step-00000020");
  const files = ["adapter.safetensors", "optimizer.safetensors"];
  const read = () =>
    Promise.all(files.map((name) => Deno.readFile(`${dir}/${name}`)));
  const expected = await read();
  await Deno.remove(dir, { recursive: true });
  const resumed = await workspace.run(["resume", "ada", "--from", "10"]);
  assert.equal(resumed.code, 0, resumed.err);
  assert.deepEqual(await read(), expected);

  const more = await workspace.run(["resume", "ada", "--more-epochs", "0.1"]);
  assert.equal(more.code, 0, more.err);
  const refused = await workspace.run(
    ["resume", "ada", "--more-steps", "1", "--lora-rank", "4"],
  );
  assert.equal(refused.code, 2);
  assert.match(refused.err, /^error: Cannot change lora\.rank from 2 to 4: /);

  // Adapters beside adapters: a chain of models.
  const chain = ["--from", "ada", "--lora-rank", "1", "--run-id", "eve"];
  const next = await adapt(workspace, [...chain, "--steps", "1", ...LONG]);
  assert.equal(next.code, 0, next.err);
  const both = await workspace.run(
    ["generate", "eve", "--max-new-tokens", "2", "--quiet"],
  );
  assert.equal(both.code, 0, both.err);
});

Deno.test("a shorter context crops the model beside the adapters", async () => {
  await using workspace = await withBase();
  const steps = ["--steps", "2", "--seq-len", "4", ...LONG];
  const run = await adapt(workspace, [...LORA, ...steps]);
  assert.equal(run.code, 0, run.err);
  await valLoss(workspace, "ada");
  const more = await workspace.run(["resume", "ada", "--more-steps", "1"]);
  assert.equal(more.code, 0, more.err);
});

Deno.test("adapters find their model by name or content, or say what is wrong", async (t) => {
  await using workspace = await withBase();
  const run = await adapt(workspace, [...LORA, ...LONG, "--steps", "2"]);
  assert.equal(run.code, 0, run.err);
  const checkpoints = workspace.path("checkpoints");
  const base = `${checkpoints}/base/step-00000200`;
  const generate = async (ref = "ada") => {
    const argv = ["generate", ref, "--max-new-tokens", "2", "--quiet"];
    const { code, err } = await workspace.run(argv);
    return { code, err };
  };

  await t.step("in a run that was renamed", async () => {
    await Deno.rename(`${checkpoints}/base`, `${checkpoints}/renamed`);
    assert.deepEqual(await generate(), { code: 0, err: "" });
    await Deno.rename(`${checkpoints}/renamed`, `${checkpoints}/base`);
  });

  await t.step("damaged", async () => {
    const bytes = await Deno.readFile(`${base}/model.safetensors`);
    const flipped = bytes.slice();
    flipped[flipped.length - 1] ^= 1;
    await Deno.writeFile(`${base}/model.safetensors`, flipped);
    const { code, err } = await generate();
    assert.equal(code, 1);
    assert.match(
      err,
      /^error: Cannot load "ada\/step-00000002": its adapters belong to "base\/step-00000200", which is damaged: sha256 of model\.safetensors differs/,
    );
    await Deno.writeFile(`${base}/model.safetensors`, bytes);
    assert.equal((await generate()).code, 0);
  });

  await t.step("another one under its name", async () => {
    await Deno.rename(`${checkpoints}/base`, workspace.path("kept"));
    const argv = ["--steps", "200", "--run-id", "other", "--quiet"];
    await workspace.train([...argv, "--seed", "5"]);
    await Deno.rename(`${checkpoints}/other`, `${checkpoints}/base`);
    const { code, err } = await generate();
    assert.equal(code, 1);
    assert.match(
      err,
      /^error: Cannot load "ada\/step-00000002": its adapters belong to "base\/step-00000200", which has other weights now\nhint: put back the checkpoint whose weights have sha256 [0-9a-f]{12}…: adapters are no model by themselves\n$/,
    );
    await Deno.remove(`${checkpoints}/base`, { recursive: true });
  });

  await t.step("none at all", async () => {
    for (const argv of [["generate", "ada"], ["resume", "ada"]]) {
      const more = argv[0] === "resume" ? ["--more-steps", "1"] : [];
      const { code, err } = await workspace.run([...argv, ...more]);
      assert.equal(code, 1);
      assert.match(err, /"base\/step-00000200", which is not in "ROOT/);
    }
    await Deno.rename(workspace.path("kept"), `${checkpoints}/base`);
  });

  await t.step("damaged adapters", async () => {
    const path = `${checkpoints}/ada/step-00000002/adapter.json`;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace('"rank": 2', '"rank": 3'));
    const { code, err } = await generate();
    assert.equal(code, 1);
    assert.match(err, /sha256 of adapter\.json differs/);
    await Deno.writeTextFile(path, text);
    assert.equal((await generate()).code, 0);
  });
});

Deno.test("hearth rm and later saves keep what adapters need", async () => {
  await using workspace = await withBase(["--checkpoint-keep", "1"]);
  const run = await adapt(workspace, [...LORA, ...LONG, "--steps", "2"]);
  assert.equal(run.code, 0, run.err);

  const more = ["resume", "base", "--more-steps", "40", "--quiet"];
  const goesOn = await workspace.run([...more, "--checkpoint-every", "10"]);
  assert.equal(goesOn.code, 0, goesOn.err);
  const kept = await names(workspace.path("checkpoints/base"));
  assert.ok(kept.includes("step-00000200"), kept.join());
  assert.ok(!kept.includes("step-00000210"), kept.join()); // pruned

  const refused = await workspace.run(["rm", "base", "--yes"]);
  assert.equal(refused.code, 1);
  assert.equal(
    refused.err,
    'error: Cannot remove "base": the adapters of "ada" belong to its model, ' +
      "base/step-00000200\n" +
      "hint: to keep the merged model, type hearth export ada; then remove " +
      "both, or add --force\n",
  );
  const forced = await workspace.run(["rm", "base", "--yes", "--force"]);
  assert.equal(forced.code, 0, forced.err);
});

Deno.test("hearth rm takes a model together with its adapters", async () => {
  await using workspace = await withBase();
  const run = await adapt(workspace, [...LORA, ...LONG, "--steps", "2"]);
  assert.equal(run.code, 0, run.err);
  const { code, err } = await workspace.run(["rm", "base", "ada", "--yes"]);
  assert.equal(code, 0, err);
});

const REFUSED: [what: string, argv: string[], message: RegExp][] = [
  [
    "rank 0",
    ["--from", "base", "--lora-rank", "0"],
    /^error: Cannot use --lora-rank 0: expected a whole number from 1 to 65536\nhint: rank is: /,
  ],
  [
    "a rank above the size of a weight",
    ["--from", "base", "--lora-rank", "9"],
    /^error: Cannot use lora\.rank 9: "h\.0\.attn\.qkv\.weight" is 8 x 24, which is of rank 8 at most\nhint: use --lora-rank 2, /,
  ],
  [
    "an unknown target",
    ["--from", "base", "--lora-rank", "2", "--lora-targets", "query"],
    /^error: Cannot use lora\.targets "query" with a gpt2 model: expected some of qkv, attProj, fc, fcProj, or all\nhint: for example --lora-targets /,
  ],
  [
    "adapters without a model",
    ["--lora-rank", "2"],
    /^error: Cannot use lora\.rank 2 with a new model: .*\nhint: add --from RUN/,
  ],
  [
    "alpha without adapters",
    ["--from", "base", "--lora-alpha", "2"],
    /^error: Cannot use lora\.alpha without lora\.rank: there are no adapters\nhint: add --lora-rank 8\n/,
  ],
];

Deno.test("hearth train refuses adapters that cannot be", async (t) => {
  await using workspace = await withBase();
  for (const [what, argv, message] of REFUSED) {
    await t.step(what, async () => {
      const { code, err } = await adapt(workspace, argv);
      assert.equal(code, 2, err);
      assert.match(err, message);
    });
  }
  assert.deepEqual(await names(workspace.path("runs")), ["base"]);
});

Deno.test("hearth train --lora-rank adapts an import", async () => {
  await using workspace = await Workspace.create();
  const model = fileURLToPath(
    new URL("../../fixtures/models/llama_bf16", import.meta.url),
  );
  const imported = await workspace.run(["import", model, "--as", "base"]);
  assert.equal(imported.code, 0, imported.err);
  const steps = ["--steps", "30", "--seq-len", "32", "--eval-batches", "8"];
  const targets = ["--lora-targets", "qkv", "--lora-targets", "down"];
  const run = await adapt(workspace, [...LORA, ...LONG, ...steps, ...targets]);
  assert.equal(run.code, 0, run.err);
  assert.match(run.err, /^lora +rank 2, alpha 4 on qkv, down: /m);
  const [first, last] = [...run.err.matchAll(/val loss ([\d.]+)/g)]
    .map(([, loss]) => Number(loss));
  assert.ok(last < first, run.err);
});

Deno.test("hearth resume warns before the model of adapters is trained again", async () => {
  await using workspace = await withBase(["--checkpoint-every", "100"]);
  const run = await adapt(workspace, [...LORA, ...LONG, "--steps", "1"]);
  assert.equal(run.code, 0, run.err);
  const warnings = async (argv: string[]) => {
    const { code, err } = await workspace.run(["resume", "base", ...argv]);
    assert.equal(code, 0, err);
    return err.split("\n").filter((line) => line.startsWith("warning: "));
  };
  assert.deepEqual(await warnings(["--more-steps", "1"]), []); // beyond it
  assert.deepEqual(await warnings(["--from", "100", "--lr", "0.02"]), [
    'warning: The adapters of "ada" belong to base/step-00000200, which is ' +
    "trained again: if it comes out as another, they are lost; hearth export " +
    "ada keeps their merged model",
  ]);
});
