import assert from "node:assert/strict";
import { listRuns } from "../../../src/run/files/runs.ts";
import { RunsWatch } from "../../../src/run/watch/watch_runs.ts";
import { FakeRun } from "../_fake_run.ts";
import { inTempDir } from "../_helpers.ts";

Deno.test("RunsWatch.look() gives what listRuns() gives, as it changes", async () => {
  await inTempDir(async (root) => {
    let nowMs = 0;
    const watch = new RunsWatch(root, { now: () => nowMs });
    assert.deepEqual(await watch.look(), []);

    await using run = new FakeRun(root);
    await run.begin();
    await using other = new FakeRun(root, "fox-1");
    await other.begin();
    await other.end("completed");
    const first = await watch.look();
    assert.deepEqual(first, await listRuns(root));
    assert.equal(first.length, 2);

    // Nothing has changed: the same objects, without reading a file.
    nowMs += 10_000;
    const again = await watch.look();
    assert.ok(again.every((info, i) => info === first[i]));

    await run.set({ step: 7 });
    const moved = await watch.look();
    const owl = moved.find(({ runId }) => runId === "owl-1")!;
    assert.equal(owl.state?.step, 7);
    const fox = moved.find(({ runId }) => runId === "fox-1");
    assert.ok(first.includes(fox!));
  });
});

Deno.test("RunsWatch.look() notices damage, repair, death and removal", async () => {
  await inTempDir(async (root) => {
    let nowMs = 0;
    const watch = new RunsWatch(root, { now: () => nowMs });
    const look = async () => (await watch.look())[0];
    await using run = new FakeRun(root);
    await run.begin();
    assert.equal((await look()).state?.alive, true);

    await Deno.writeTextFile(run.paths.state, '{"status": "runn');
    assert.match((await look()).broken!, /state.json": it is not JSON/);
    await run.set({ status: "running" });
    assert.equal((await look()).state?.status, "running");

    // A process that was killed writes nothing.
    await run.die();
    assert.equal((await look()).state?.status, "running"); // not asked yet
    nowMs += 2000;
    assert.equal((await look()).state?.status, "interrupted");

    await Deno.remove(run.paths.dir, { recursive: true });
    assert.deepEqual(await watch.look(), []);
  });
});
