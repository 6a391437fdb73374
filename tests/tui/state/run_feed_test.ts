import assert from "node:assert/strict";
import { RunFeed } from "../../../src/tui/state/run_feed.ts";
import { eventually } from "../../run/_eventually.ts";
import { FakeRun, stepMetric } from "../../run/_fake_run.ts";
import { inTempDir } from "../../run/_helpers.ts";

Deno.test("RunFeed follows a run that is resumed after it has ended", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await run.append("metrics", JSON.stringify(stepMetric(10)) + "\n");
    await run.append("log", "one \x1b[31mred\n");
    await run.end("stopped");
    let changes = 0;
    using feed = new RunFeed(root, "owl-1", {
      state: null,
      onChange: () => changes++,
    });
    await eventually(() => feed.record.loaded);
    assert.equal(feed.record.state?.status, "stopped");
    assert.deepEqual(feed.record.log, ["one �[31mred"]);
    assert.equal(feed.record.curves.trainLoss.length, 1);

    await using again = new FakeRun(root);
    await again.begin();
    await again.append("metrics", JSON.stringify(stepMetric(20)) + "\n");
    await again.set({ status: "running", step: 20 });
    await eventually(() => feed.record.curves.trainLoss.length === 2);
    // The state is told after what was measured until then.
    await eventually(() => feed.record.state?.status === "running");
    assert.ok(changes > 3);
  });
});

Deno.test("RunFeed misses no word that comes while it ends following", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await run.die(); // as when it is killed
    const { state } = run.paths;
    let isSaid = false;
    using feed = new RunFeed(root, "owl-1", {
      state: null,
      onChange() {
        if (!feed.record.loaded || isSaid) return;
        isSaid = true;
        // Who has killed it notes so, just after it was looked at.
        const text = Deno.readTextFileSync(state);
        Deno.writeTextFileSync(state, text.replace("running", "stopped"));
      },
    });
    await eventually(() => feed.record.state?.status === "stopped");
  });
});
