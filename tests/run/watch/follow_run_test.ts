import assert from "node:assert/strict";
import {
  type FollowOptions,
  followRun,
} from "../../../src/run/watch/follow_run.ts";
import { metricLine, truncateMetrics } from "../../../src/run/files/metrics.ts";
import { inTempDir } from "../../base/_helpers.ts";
import { FakeRun, stepMetric as metric } from "../_fake_run.ts";

const QUICK = { intervalMs: 5 };

/**
 * Follows the run; each step is done when the description of an event equals
 * its name. Returns the descriptions.
 */
async function follow(
  run: FakeRun,
  options: FollowOptions,
  steps: [seen: string, then: () => Promise<unknown>][] = [],
): Promise<string[]> {
  const told: string[] = [];
  const say = async (text: string) => {
    told.push(text);
    if (steps[0]?.[0] !== text) return;
    await steps.shift()![1]();
  };
  const events = followRun(run.root, "owl-1", { ...QUICK, ...options });
  for await (const event of events) {
    switch (event.kind) {
      case "state":
        await say(`${event.state.status} ${event.state.step}`);
        break;
      case "metrics":
        await say(
          `${event.restarted ? "again " : ""}metrics ` +
            event.metrics.map(({ step }) => step).join(" "),
        );
        break;
      case "log":
        await say(`${event.restarted ? "again " : ""}${event.lines.join("|")}`);
        break;
      case "damaged":
        await say(`damaged: ${event.message.replace(run.root, "ROOT")}`);
        break;
      case "removed":
        await say("removed");
    }
  }
  assert.deepEqual(steps, [], told.join("\n"));
  return told;
}

const withRun = (body: (run: FakeRun) => Promise<void>) =>
  inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await body(run);
  });

Deno.test("followRun() tells the state, metrics and log of a run to its end", () =>
  withRun(async (run) => {
    await run.append("log", "one\ntwo\nthree\n");
    await run.append("metrics", metricLine(metric(1)));
    const told = await follow(run, { metrics: "all", lastLogLines: 2 }, [
      ["running null", async () => {
        await run.append("log", "fo");
        await run.append("metrics", metricLine(metric(2)).slice(0, 9));
        await run.set({ step: 2 });
      }],
      ["running 2", async () => {
        await run.append("log", "ur\n");
        await run.append("metrics", metricLine(metric(2)).slice(9));
      }],
      ["metrics 2", async () => {
        await run.append("log", "torn");
        await run.append("metrics", metricLine(metric(3)).slice(0, 9));
        await run.end("completed");
      }],
    ]);
    assert.deepEqual(told, [
      "two|three",
      "metrics 1",
      "running null",
      "running 2",
      "four",
      "metrics 2",
      "torn",
      "completed 2",
    ]);
  }));

Deno.test("followRun() reads a run that has ended once", () =>
  withRun(async (run) => {
    await run.append("log", "one\n");
    await run.append("metrics", metricLine(metric(1)));
    await run.end("stopped");
    const told = await follow(run, { metrics: "new", lastLogLines: 9 });
    assert.deepEqual(told, ["one", "stopped null"]);
    assert.deepEqual(await follow(run, {}), ["stopped null"]);
  }));

Deno.test("followRun() notices that the process was killed", () =>
  withRun(async (run) => {
    const told = await follow(run, {}, [["running null", () => run.die()]]);
    assert.deepEqual(told, ["running null", "interrupted null"]);
  }));

Deno.test("followRun() says that a resume has rewritten the metrics", () =>
  withRun(async (run) => {
    const rows = [1, 2, 3].map((step) => metricLine(metric(step)));
    await run.append("metrics", rows.join(""));
    const told = await follow(run, { metrics: "all" }, [
      ["metrics 1 2 3", () => truncateMetrics(run.paths.metrics, 1)],
      ["again metrics 1", () => run.append("metrics", rows[1])],
      ["metrics 2", () => run.end("completed")],
    ]);
    assert.deepEqual(told.filter((text) => text.includes("metrics")), [
      "metrics 1 2 3",
      "again metrics 1",
      "metrics 2",
    ]);
  }));

Deno.test("followRun() tells of damage once and goes on", () =>
  withRun(async (run) => {
    await run.append("metrics", 'torn\n\n{"step":1}\n');
    const told = await follow(run, { metrics: "all" }, [
      [
        'damaged: "ROOT/runs/owl-1/metrics.jsonl" has lines that are no metrics',
        () => Deno.writeTextFile(run.paths.state, "{"),
      ],
      [
        'damaged: Cannot read "ROOT/runs/owl-1/state.json": it is not JSON',
        () => run.append("metrics", "torn\n" + metricLine(metric(7))),
      ],
      ["metrics 7", () => run.set({ step: 7 })],
      ["running 7", () => run.end("failed")],
    ]);
    assert.equal(told.at(-1), "failed 7");
    assert.equal(told.filter((text) => text.startsWith("damaged")).length, 2);
  }));

Deno.test("followRun() does not wait for a run that will never have a state", () =>
  withRun(async (run) => {
    await run.die();
    await Deno.remove(run.paths.state);
    assert.deepEqual(await follow(run, {}), [
      'damaged: Cannot read "ROOT/runs/owl-1/state.json": there is no such file',
    ]);
  }));

Deno.test("followRun() waits for the state of a run that begins", () =>
  withRun(async (run) => {
    await Deno.remove(run.paths.state);
    const problem =
      'damaged: Cannot read "ROOT/runs/owl-1/state.json": there is no such file';
    const told = await follow(run, {}, [
      [problem, () => run.set({ step: 1 })], // the lock is held
      ["running 1", () => run.end("completed")],
    ]);
    assert.deepEqual(told, [problem, "running 1", "completed 1"]);
  }));

Deno.test("followRun() ends when the directory is removed", () =>
  withRun(async (run) => {
    const told = await follow(run, { metrics: "all", lastLogLines: 1 }, [
      ["running null", async () => {
        await run.die();
        await Deno.remove(run.paths.dir, { recursive: true });
      }],
    ]);
    assert.deepEqual(told, ["running null", "removed"]);
  }));

Deno.test("followRun() ends at once when its signal is aborted", () =>
  withRun(async (run) => {
    const controller = new AbortController();
    const { signal } = controller;
    const options = { signal, intervalMs: 1e6 };
    const told = await follow(run, options, [
      ["running null", async () => {
        await Promise.resolve();
        setTimeout(() => controller.abort(), 1); // while it waits
      }],
    ]);
    assert.deepEqual(told, ["running null"]);
    assert.deepEqual(await follow(run, options), []);
  }));
