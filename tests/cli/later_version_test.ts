/** Runs that a later version of the program has written. */

import assert from "node:assert/strict";
import { jsonText } from "../../src/base/json_file.ts";
import { textSha256 } from "../../src/base/sha256.ts";
import { VERSION } from "../../src/base/version.ts";
import { Workspace } from "./_workspace.ts";

const CHECKPOINT = "checkpoints/owl-1/step-00000002";

/** Changes the JSON in a file of the run, and gives its text. */
async function change(
  workspace: Workspace,
  path: string,
  to: Record<string, unknown>,
): Promise<string> {
  const file = workspace.path(path);
  const { sha256, ...value } = JSON.parse(await Deno.readTextFile(file));
  const changed = { ...value, ...to };
  const seal = sha256 && { sha256: textSha256(jsonText(changed)) };
  const text = JSON.stringify({ ...changed, ...seal });
  await Deno.writeTextFile(file, text);
  return text;
}

/** Every command that would use the run, in any way. */
const USES = [
  ["resume", "owl-1", "--more-steps", "2"],
  ["resume", "owl-1", "--from", "2", "--more-steps", "2"],
  ["generate", "owl-1"],
  ["generate", "owl-1/best"],
  ["eval", "owl-1"],
  ["export", "owl-1"],
  ["train", "--from", "owl-1", "--dataset", "ROOT/text.txt"],
];

for (
  const [path, to, why, hint] of [
    [
      "runs/owl-1/meta.json",
      { version: 2, versions: { hearth: "99.1.0" } },
      "format 2, this one reads 1",
      `update Hearth to 99.1.0; this is ${VERSION}`,
    ],
    [
      "runs/owl-1/meta.json",
      { versions: { hearth: "99.1.0" }, config: { telepathy: true } },
      'Unrecognized key: "telepathy"',
      `update Hearth to 99.1.0; this is ${VERSION}`,
    ],
    [
      `${CHECKPOINT}/manifest.json`,
      { version: 2 },
      "format 2, this one reads 1",
      `update Hearth; this is ${VERSION}`,
    ],
  ] as const
) {
  Deno.test(`a later ${path} with ${Object.keys(to)} is refused and kept`, async () => {
    await using workspace = await Workspace.create();
    await workspace.train(["--steps", "1", "--quiet"]);
    await workspace.run(["resume", "--more-steps", "1", "--quiet"]);
    const text = await change(workspace, path, to);
    const before = await workspace.names();
    for (const words of USES) {
      const argv = words.map((word) => word.replace("ROOT", workspace.root));
      const { code, out, err } = await workspace.run(argv);
      const lines = err.split("\n").filter((line) => /^\w+: /.test(line));
      assert.deepEqual([code, out, lines], [1, "", [
        `error: Cannot read "ROOT/${path}": a later version of Hearth wrote ` +
        `it (${why})`,
        `hint: ${hint}`,
      ]], words.join(" "));
    }
    assert.equal(await Deno.readTextFile(workspace.path(path)), text);
    assert.deepEqual(await workspace.names(), before);
  });
}

Deno.test("hearth runs marks a run of a later version, status warns", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "1", "--quiet"]);
  await change(workspace, "runs/owl-1/meta.json", { version: 2 });
  const problem = 'Cannot read "ROOT/runs/owl-1/meta.json": a later version ' +
    `of Hearth wrote it (format 2, this one reads 1): update Hearth; this is ` +
    VERSION;
  const { out } = await workspace.run(["runs"]);
  assert.match(out, /^owl-1 +completed ! /m);
  assert.ok(out.endsWith(`\n\n! owl-1: ${problem}\n`), out);
  const status = await workspace.run(["status"]);
  assert.equal(status.code, 0);
  assert.equal(status.err, `warning: ${problem}\n`);
});

Deno.test("a later state.json is refused and kept", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "1", "--quiet"]);
  const path = "runs/owl-1/state.json";
  const text = await change(workspace, path, {
    version: 2,
    status: "dreaming",
  });
  const why = 'Cannot read "ROOT/runs/owl-1/state.json": a later version of ' +
    "Hearth wrote it (format 2, this one reads 1)";
  const { code, err } = await workspace.run(["resume", "--more-steps", "1"]);
  assert.deepEqual([code, err], [
    1,
    `error: ${why}\nhint: update Hearth; this is ${VERSION}\n`,
  ]);
  assert.equal(await Deno.readTextFile(workspace.path(path)), text);
  const { out } = await workspace.run(["runs"]);
  assert.match(out, /^owl-1 +broken /m);
  assert.ok(out.includes(`\n! owl-1: ${why}: update Hearth`), out);
});
