import assert from "node:assert/strict";
import { Reserve } from "../../../src/run/files/reserve.ts";
import { inTempDir, listTree } from "../_helpers.ts";

Deno.test("Reserve turns its room into the file that is to be written", () =>
  inTempDir(async (dir) => {
    await Deno.writeTextFile(`${dir}/state.json`, "before");
    const reserve = new Reserve(`${dir}/.reserve`);
    await reserve.take();
    const { size, blocks } = await Deno.stat(`${dir}/.reserve`);
    assert.equal(size, 64 * 1024);
    assert.ok(blocks === null || blocks * 512 >= size); // not a sparse file
    await reserve.spend(`${dir}/state.json`, "after");
    assert.equal(await Deno.readTextFile(`${dir}/state.json`), "after");
    assert.deepEqual(await listTree(dir), ["state.json"]);
  }));

Deno.test("Reserve writes without its file, or into one that is too small", () =>
  inTempDir(async (dir) => {
    const reserve = new Reserve(`${dir}/.reserve`);
    await reserve.spend(`${dir}/a`, "1");
    await reserve.take();
    const long = "x".repeat(100_000);
    await reserve.spend(`${dir}/b`, long);
    await reserve.release();
    await reserve.release(); // a second time does nothing
    assert.equal(await Deno.readTextFile(`${dir}/a`), "1");
    assert.equal(await Deno.readTextFile(`${dir}/b`), long);
    assert.deepEqual(await listTree(dir), ["a", "b"]);
  }));

Deno.test("Reserve tells why it cannot write", () =>
  inTempDir(async (dir) => {
    const reserve = new Reserve(`${dir}/missing/.reserve`);
    await assert.rejects(reserve.take(), { code: "ENOENT" });
    await assert.rejects(reserve.spend(`${dir}/missing/a`, "1"), {
      code: "ENOENT",
    });
  }));
