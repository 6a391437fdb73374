import assert from "node:assert/strict";
import { join } from "node:path";
import { isOneName } from "../../../src/base/one_name.ts";
import { acquireLock } from "../../../src/run/files/lock.ts";
import { findIdleRun } from "../../../src/run/background/queued_run.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import { requestStop } from "../../../src/run/files/stop_request.ts";
import { processStartedAt } from "../../../src/run/process/process_info.ts";
import { findRemovable, removeRun } from "../../../src/run/remove_run.ts";
import { resumeRun, startRun } from "../../../src/run/runner.ts";
import { inTempDir } from "../../base/_helpers.ts";
import { collectRun, testEngine, twelveSteps } from "../_helpers.ts";

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

Deno.test({
  name: "no checkpoint is written to, or removed from, where a link leads",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (root) => {
      const outside = join(root, "precious");
      await Deno.mkdir(outside);
      const kept = [".saving-1", "step-00000001", "x.tmp-7"];
      for (const name of kept) await Deno.mkdir(join(outside, name));
      const { checkpoints } = runPaths(root, "owl-1");
      const start = { root, commandLine: ["hearth"], engine: testEngine };
      await collectRun(startRun({ ...start, config: twelveSteps }));
      await Deno.remove(checkpoints, { recursive: true });
      const inside = join(checkpoints, "step-00000001");
      const plans: [at: string, refused: () => Promise<void>][] = [
        [checkpoints, () => Deno.symlink(outside, checkpoints)],
        [inside, async () => {
          await Deno.mkdir(checkpoints);
          await Deno.symlink(join(outside, "step-00000001"), inside);
        }],
      ];
      for (const [at, plant] of plans) {
        await plant();
        const refusal = {
          name: "UserError",
          message: `Cannot write to "${at}": it is a link`,
        };
        const resumed = resumeRun({
          ...start,
          ref: "owl-1",
          more: { steps: 4 },
        });
        await assert.rejects(collectRun(resumed), refusal);
        await assert.rejects(findIdleRun(root, "owl-1"), refusal);
        await Deno.remove(checkpoints, { recursive: true });
      }
      const names = await Array.fromAsync(Deno.readDir(outside));
      assert.deepEqual(names.map(({ name }) => name).sort(), kept);
    }),
});

Deno.test({
  name: "removeRun() removes links, and not what they mean",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (root) => {
      const { dir, checkpoints, state } = runPaths(root, "owl-1");
      const outside = join(root, "precious");
      await Deno.mkdir(join(outside, "deep"), { recursive: true });
      await Deno.writeTextFile(join(outside, "deep", "file"), "all of it");
      await Deno.mkdir(join(dir, "sub"), { recursive: true });
      await Deno.mkdir(join(root, "checkpoints"));
      await Deno.writeTextFile(state, "{}");
      await Deno.symlink(outside, join(dir, "sub", "link"));
      await Deno.symlink(outside, checkpoints);
      const { sizeBytes } = await findRemovable(root, "owl-1");
      assert.ok(sizeBytes < 10_000, `${sizeBytes} bytes`);
      await removeRun(root, "owl-1");
      for (const path of [dir, checkpoints]) {
        await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
      }
      const file = join(outside, "deep", "file");
      assert.equal(await Deno.readTextFile(file), "all of it");
    }),
});

Deno.test({
  name: "requestStop() does not write where a link leads",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const outside = join(dir, "precious");
      await Deno.writeTextFile(outside, "all of it");
      await Deno.symlink(outside, join(dir, "stop-77"));
      await requestStop(dir, 77);
      await requestStop(dir, 78);
      await requestStop(dir, 78);
      assert.equal(await Deno.readTextFile(outside), "all of it");
      assert.equal((await Deno.lstat(join(dir, "stop-78"))).size, 0);
    }),
});

Deno.test("processStartedAt() asks for nothing but numbers", async () => {
  for (const pid of ["1", "1); x", -1, 0, 1.5, NaN, null, "self"]) {
    assert.equal(await processStartedAt(pid as number), null);
  }
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
