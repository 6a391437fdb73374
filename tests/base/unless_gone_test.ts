import assert from "node:assert/strict";
import { unlessGone } from "../../src/base/unless_gone.ts";

Deno.test("unlessGone() makes null of what is not there, and of nothing else", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/there`, "text");
    const read = (name: string) =>
      unlessGone(Deno.readTextFile(`${dir}/${name}`));
    assert.equal(await read("there"), "text");
    assert.equal(await read("gone"), null);
    assert.equal(await read("gone/file"), null);
    await assert.rejects(read("there/file"), { code: "ENOTDIR" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
