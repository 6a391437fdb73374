/** Pipes where files should be: an archive may hold them, and nobody writes. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { acquireLock, isLocked } from "../../../src/run/files/lock.ts";
import { readMetrics } from "../../../src/run/files/metrics.ts";
import { readMetricsRange } from "../../../src/run/files/metrics_range.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import { TailFile } from "../../../src/run/files/tail_file.ts";
import {
  DamagedCheckpoint,
  verifyFiles,
} from "../../../src/run/checkpoints/manifest.ts";
import { inTempDir } from "../../base/_helpers.ts";

Deno.test({
  name: "a run whose files are pipes is neither waited for nor written to",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (root) => {
      const paths = runPaths(root, "owl-1");
      await Deno.mkdir(paths.dir, { recursive: true });
      const pipes = [paths.log, paths.metrics, paths.lock];
      const { success } = await new Deno.Command("mkfifo", { args: pipes })
        .output();
      assert.ok(success);
      const log = new TailFile(paths.log, { lastLines: 3 });
      assert.equal(await log.read(), null);
      assert.equal(await log.rest(), "");
      const { metrics } = paths;
      assert.deepEqual(await Array.fromAsync(readMetrics(metrics)), []);
      const range = readMetricsRange(metrics, { low: 0, high: 9 });
      assert.deepEqual(await Array.fromAsync(range), []);
      assert.equal(await isLocked(paths.lock), null);
      await assert.rejects(acquireLock(paths.lock, "owl-1"), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, /^Cannot write to ".*": it is no regular/);
        return true;
      });
    }),
});

Deno.test({
  name: "verifyFiles() does not wait for a pipe",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const args = [join(dir, "model.safetensors")];
      assert.ok((await new Deno.Command("mkfifo", { args }).output()).success);
      const manifest = {
        ...{ version: 1 as const, step: 1, sequence: 1, periodic: true },
        savedAt: "",
        files: { "model.safetensors": { sizeBytes: 0, sha256: "" } },
      };
      await assert.rejects(
        verifyFiles(dir, manifest, ["model.safetensors"]),
        (error) =>
          error instanceof DamagedCheckpoint &&
          error.message === "model.safetensors is no regular file",
      );
    }),
});
