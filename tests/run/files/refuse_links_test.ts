import assert from "node:assert/strict";
import { join } from "node:path";
import { isOneName } from "../../../src/base/one_name.ts";
import { acquireLock } from "../../../src/run/files/lock.ts";
import { findIdleRun } from "../../../src/run/background/queued_run.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import { inTempDir } from "../../base/_helpers.ts";

Deno.test({
  name: "a run with a link in it is not written to, and what it means is whole",
  ignore: Deno.build.os === "windows", // links need a right there
  fn: () =>
    inTempDir(async (root) => {
      const paths = runPaths(root, "owl-1");
      await Deno.mkdir(paths.dir, { recursive: true });
      const outside = join(root, "precious");
      await Deno.writeTextFile(outside, "all of it");
      for (const name of ["lock", "train.log", "state.json.tmp-77"]) {
        const link = join(paths.dir, name);
        await Deno.symlink(outside, link);
        const refusal = {
          name: "UserError",
          message: `Cannot write to "${link}": it is a link`,
        };
        await assert.rejects(acquireLock(paths.lock, "owl-1"), refusal);
        await assert.rejects(findIdleRun(root, "owl-1"), refusal);
        await Deno.remove(link);
      }
      assert.equal(await Deno.readTextFile(outside), "all of it");
      await (await acquireLock(paths.lock, "owl-1")).release();
    }),
});

Deno.test("isOneName() takes no path, drive or name that the system cuts", () => {
  for (const name of ["owl-1", "my run", "é", ".hidden", "a..b"]) {
    assert.ok(isOneName(name), name);
  }
  const others = ["", ".", "..", "a/b", "a\\b", "C:", "a\0b", "ü".repeat(150)];
  for (const name of others) assert.ok(!isOneName(name), name);
  assert.throws(() => runPaths("root", "../../etc"), {
    name: "UserError",
    message: 'Cannot use "../../etc" as the id of a run',
  });
});
