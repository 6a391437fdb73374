import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { ownProgram } from "../../../src/export/bundle/own_program.ts";
import { permissionFlags } from "../../../src/export/bundle/permissions.ts";
import { checkBundleSystem } from "../../../src/export/bundle/write_bundle.ts";

const EXEC = { execPath: "/opt/hearth-9" };

Deno.test("ownProgram() of a compiled executable is that one file", async () => {
  await using program = await ownProgram({
    ...EXEC,
    standalone: true,
    bundle: "/nowhere",
  });
  assert.deepEqual(program.files, { hearth: "/opt/hearth-9" });
  assert.deepEqual([program.runtime, program.args], ["hearth", ""]);
});

Deno.test("ownProgram() of an unpacked bundle is all of it, with its Deno", async () => {
  const bundle = await Deno.makeTempDir();
  for (const name of ["mod.js", "chunk-A.js", "deno"]) {
    await Deno.writeTextFile(`${bundle}/${name}`, "");
  }
  await Deno.mkdir(`${bundle}/folder`);
  {
    await using program = await ownProgram({
      ...EXEC,
      standalone: false,
      bundle,
    });
    assert.deepEqual(program.files, {
      deno: Deno.execPath(),
      "chunk-A.js": `${bundle}/chunk-A.js`,
      "mod.js": `${bundle}/mod.js`,
    });
    assert.equal(program.runtime, "deno");
    for (const flag of permissionFlags(Deno.build.target)) {
      assert.ok(program.args.split(" ").includes(flag));
    }
    assert.match(program.args, / "\$program\/mod\.js"$/);
  }
  assert.ok(await Deno.stat(`${bundle}/mod.js`), "it is not ours to remove");
  await Deno.remove(bundle, { recursive: true });
});

Deno.test("checkBundleSystem() refuses Windows alone", () => {
  for (const os of ["linux", "darwin"]) checkBundleSystem(os);
  assert.throws(() => checkBundleSystem("windows"), UserError);
});
