import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Workspace } from "../_workspace.ts";

const MODELS = fileURLToPath(
  new URL("../../fixtures/models/", import.meta.url),
);

/** A workspace with the run `gpt2`. */
async function imported(): Promise<Workspace> {
  const workspace = await Workspace.create();
  const argv = ["import", `${MODELS}gpt2_f16`, "--as", "gpt2", "--seq-len"];
  const { code, out, err } = await workspace.run([...argv, "32"]);
  assert.equal(code, 0, err);
  assert.equal(
    out.replace(/\d+\.\d kB/, "# kB"),
    `run    gpt2/step-00000000
model  gpt2, 15k parameters (nLayer 2, nHead 2, nEmbd 16, seqLen 32)
size   # kB
`,
  );
  return workspace;
}

Deno.test("hearth import makes a run that writes and is measured", async () => {
  await using workspace = await imported();
  const text = await workspace.run(
    ["generate", "--prompt", "Once", "--max-new-tokens", "5", "--json"],
  );
  assert.equal(text.code, 0, text.err);
  assert.equal(JSON.parse(text.out).ids.length, 5);

  const own = await workspace.run(["eval", "gpt2"]);
  assert.deepEqual(own, {
    code: 2,
    out: "",
    err: 'error: Cannot evaluate "gpt2" on its own text: it was imported ' +
      "without\nhint: type hearth eval gpt2 --dataset TEXT\n",
  });
  const argv = ["eval", "gpt2", "--dataset", workspace.path("text.txt")];
  const other = await workspace.run([...argv, "--json"]);
  assert.equal(other.code, 0, other.err);
  assert.ok(JSON.parse(other.out).valLoss > 4); // random weights

  const runs = await workspace.run(["runs"]);
  assert.match(runs.out, /^gpt2 +imported +- +- +- +- +- /m);
  const status = await workspace.run(["status"]);
  assert.equal(
    status.out.replace(/updated .*/, "updated #"),
    `\
run         gpt2
status      imported from ${MODELS}gpt2_f16
checkpoint  step-00000000
updated #
`,
  );
});

Deno.test("hearth resume sends an imported model to train --from", async () => {
  await using workspace = await imported();
  const { code, err } = await workspace.run(["resume", "--more-steps", "2"]);
  assert.equal(code, 2);
  assert.equal(
    err,
    'error: Cannot resume "gpt2": it was imported, and nothing trained it ' +
      "here\nhint: type hearth train --from gpt2 --dataset YOUR-TEXT.txt\n",
  );
});

Deno.test("hearth import refuses a name that is taken", async () => {
  await using workspace = await imported();
  const { code, err } = await workspace.run(
    ["import", `${MODELS}gpt2_f16`, "--as", "gpt2"],
  );
  assert.equal(code, 2);
  assert.match(err, /^error: Cannot start "gpt2": a run of that name exists/);
});
