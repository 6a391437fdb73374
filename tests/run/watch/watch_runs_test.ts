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

Deno.test("RunsWatch.look() looks at a run at rest the less often the longer it rests", async () => {
  await inTempDir(async (root) => {
    let nowMs = 0;
    const watch = new RunsWatch(root, { now: () => nowMs });
    await using run = new FakeRun(root);
    await run.begin();
    await run.end("stopped");
    await watch.look();
    // Of a length each: files written at once may share inode and time.
    const stepAfter = async (ms: number, step: number) => {
      await run.set({ step });
      nowMs += ms;
      return (await watch.look())[0].state?.step;
    };
    assert.equal(await stepAfter(0, 1), 1);
    assert.equal(await stepAfter(1, 20), 20); // it has just changed
    nowMs += 8000;
    await watch.look(); // it rests for 8 s: 1 s without a look
    assert.equal(await stepAfter(900, 300), 20);
    assert.equal(await stepAfter(101, 4000), 4000);
    nowMs += 3600_000;
    await watch.look(); // never more than 2 s
    assert.equal(await stepAfter(1999, 50_000), 4000);
    assert.equal(await stepAfter(1, 600_000), 600_000);
    // One that is gone is seen at once.
    nowMs += 3600_000;
    await watch.look();
    await Deno.remove(run.paths.dir, { recursive: true });
    assert.deepEqual(await watch.look(), []);
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
