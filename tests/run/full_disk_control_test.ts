/**
 * A full disk is when runs are stopped and removed: neither may need room.
 */

import assert from "node:assert/strict";
import type { Engine } from "../../src/run/engine.ts";
import { findRemovable, removeRun } from "../../src/run/remove_run.ts";
import { startRun } from "../../src/run/runner.ts";
import { stopRun } from "../../src/run/background/stop_run.ts";
import { openSmallDisk } from "./_disks.ts";
import { collectRun, listTree, testEngine, twelveSteps } from "./_helpers.ts";

const common = { config: twelveSteps, commandLine: [], engine: testEngine };
/** Only a real disk refuses as one does; others may not be mounted. */
const ignore = openSmallDisk === null;

Deno.test({
  name: "removeRun() makes room on a disk that is full",
  ignore,
  async fn() {
    await using disk = await openSmallDisk!();
    const { root } = disk;
    await collectRun(startRun({ ...common, root }));
    disk.fill();
    await assert.rejects(Deno.writeFile(`${root}/more`, new Uint8Array(9000)));
    await findRemovable(root, "owl-1");
    await removeRun(root, "owl-1");
    await Deno.writeFile(`${root}/more`, new Uint8Array(9000));
    assert.deepEqual(await listTree(root), [
      ...["checkpoints", "filler", "more", "runs"],
    ]);
  },
});

Deno.test({
  name: "stopRun() reaches a run on a disk that is full",
  ignore,
  async fn() {
    await using disk = await openSmallDisk!();
    const { root } = disk;
    const begun = Promise.withResolvers<void>();
    const engine: Engine = {
      ...testEngine,
      openSession(options) {
        begun.resolve();
        return new Promise((_, reject) => {
          const { signal } = options;
          signal!.addEventListener("abort", () => reject(signal!.reason));
        });
      },
    };
    const ended = collectRun(startRun({ ...common, root, engine }));
    await begun.promise;
    disk.fill();
    const state = await stopRun(root, "owl-1");
    const { kind, ...closed } = (await ended).at(-1)!;
    assert.deepEqual(
      [kind, "status" in closed && closed.status, state?.status],
      ["closed", "stopped", "stopped"],
    );
  },
});
