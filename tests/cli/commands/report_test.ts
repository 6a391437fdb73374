import assert from "node:assert/strict";
import { Workspace } from "../_workspace.ts";

Deno.test("hearth report writes runs and what they write to a page", async () => {
  await using workspace = await Workspace.create();
  for (const runId of ["a", "b"]) {
    await workspace.train(["--steps", "4", "--run-id", runId, "--quiet"]);
  }
  const output = workspace.path("page.html");
  const argv = ["report", "a", "b", "a", "--output", output];
  const { code, out, err } = await workspace.run(
    [...argv, "--prompt", "the cat", "--json"],
  );
  assert.equal(code, 0, err);
  const page = await Deno.readTextFile(output);
  assert.deepEqual(JSON.parse(out), {
    output: "ROOT/page.html",
    sizeBytes: new TextEncoder().encode(page).length,
    runIds: ["a", "b"],
  });
  assert.equal(page.match(/<blockquote><b>the cat<\/b>/g)?.length, 2);
  assert.ok(page.includes("<h3>b</h3>"));

  const again = await workspace.run(argv);
  assert.deepEqual(again, {
    code: 2,
    out: "",
    err: 'error: Cannot write "ROOT/page.html": it is there already\n' +
      "hint: add --force to replace it, or choose another --output FILE\n",
  });
  const none = await workspace.run([...argv, "--force", "--samples", "0"]);
  assert.equal(none.code, 0, none.err);
  assert.match(none.out, /^ROOT\/page\.html {2}\d+\.\d kB\n$/);
  assert.ok(!(await Deno.readTextFile(output)).includes("<blockquote>"));
});

Deno.test("hearth report says where there is no sample, and why", async () => {
  await using workspace = await Workspace.create();
  const every = ["--set", "checkpoint.every=2", "--quiet"];
  for (const runId of ["a", "b"]) {
    await workspace.train(["--steps", "4", "--run-id", runId, ...every]);
  }
  const weights = workspace.path(
    "checkpoints/a/step-00000002/model.safetensors",
  );
  const bytes = await Deno.readFile(weights);
  bytes[bytes.length - 1] ^= 1;
  await Deno.writeFile(weights, bytes);
  await Deno.remove(workspace.path("checkpoints/b"), { recursive: true });
  const output = workspace.path("page.html");
  const { code, err } = await workspace.run(
    ["report", "a", "b", "--output", output],
  );
  assert.equal(code, 0, err);
  assert.match(
    err,
    /^warning: No sample of a\/step-00000002: Cannot load .*differs from manifest\.json\n$/,
  );
  const page = (await Deno.readTextFile(output)).split("<h2>Samples</h2>")[1];
  assert.match(
    page,
    /<h3>a<\/h3>\n<figure><figcaption>step-00000002<\/figcaption><p class="none">No sample: Cannot load .*\.<\/p><\/figure>\n<figure><figcaption>step-00000004<\/figcaption><blockquote>/,
  );
  assert.match(page, /<h3>b<\/h3>\n<p class="none">The run keeps no checkp/);
});

Deno.test("hearth report tells a folder that is not there", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "1", "--run-id", "a", "--quiet"]);
  const output = workspace.path("no/page.html");
  const { code, err } = await workspace.run(
    ["report", "a", "--samples", "0", "--output", output],
  );
  assert.equal(code, 1);
  assert.equal(
    err,
    'error: Cannot write "ROOT/no/page.html": there is no such folder\n' +
      "hint: choose another --output FILE\n",
  );
});
