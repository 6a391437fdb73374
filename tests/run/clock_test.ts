/**
 * Clocks are set back and forth, by people and by the network. Nothing that a
 * run decides may depend on the order of two times of day.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  listCheckpoints,
  loadCheckpoint,
} from "../../src/run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { listRuns, readRun, resolveRun } from "../../src/run/files/runs.ts";
import { openStore, overview } from "./_checkpoints.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";
import { loadMetrics } from "./_load_metrics.ts";
import { readSnapshot } from "./_snapshot.ts";

const DAY_MS = 24 * 3600 * 1000;
const common = {
  config: twelveSteps,
  commandLine: ["hearth"],
  engine: testEngine,
};

/** The clock on the wall, which a test can set. */
class Clock implements Disposable {
  readonly #real = globalThis.Date;
  offsetMs = 0;

  constructor() {
    const real = this.#real;
    const now = () => real.now() + this.offsetMs;
    globalThis.Date = class extends real {
      constructor(value?: string | number) {
        super(value === undefined ? now() : value);
      }
      static override now = now;
    } as DateConstructor;
  }

  [Symbol.dispose](): void {
    globalThis.Date = this.#real;
  }
}

Deno.test("checkpoints are in the order of their saves, not of their times", () =>
  inTempDir(async (dir) => {
    using clock = new Clock();
    const { save } = openStore(dir, 2);
    for (const [step, days] of [[10, 0], [20, -400], [30, 7], [40, -30]]) {
      clock.offsetMs = days * DAY_MS;
      await save(step);
    }
    assert.equal(await overview(dir), "30 40=latest");
    await Deno.remove(`${dir}/latest`);
    const { name } = await loadCheckpoint(dir, { read: readSnapshot });
    assert.equal(name, "step-00000040");
    const times = (await listCheckpoints(dir))
      .map(({ manifest }) => manifest!.savedAt);
    assert.ok(times[0] < times[1]); // the newest has the earlier time
  }));

Deno.test("latest is the run started last, whatever the clock said then", () =>
  inTempDir(async (root) => {
    using clock = new Clock();
    const start = () => collectRun(startRun({ ...common, root }));
    const ids = async () => (await listRuns(root)).map(({ runId }) => runId);
    await start();
    clock.offsetMs = -400 * DAY_MS;
    await start();
    clock.offsetMs = 7 * DAY_MS;
    await start();
    clock.offsetMs = -30 * DAY_MS;
    assert.deepEqual(await ids(), ["elk-1", "fox-1", "owl-1"]);
    // A run that is resumed is the latest from then on.
    await collectRun(
      resumeRun({ ...common, root, ref: "owl-1", from: "6" }),
    );
    assert.equal(await resolveRun(root, "latest"), "owl-1");
    assert.deepEqual(await ids(), ["owl-1", "elk-1", "fox-1"]);
  }));

Deno.test("a run goes on as before while the clock jumps back and forth", () =>
  inTempDir(async (dir) => {
    using clock = new Clock();
    const [root, whole] = [`${dir}/jumping`, `${dir}/whole`];
    await collectRun(startRun({ ...common, root: whole }));
    const stop = new AbortController();
    const jump = (step: number) =>
      clock.offsetMs = (-1) ** step * step * DAY_MS;
    const first = await collectRun(
      startRun({ ...common, root, signal: stop.signal }),
      (event) => {
        if (event.kind !== "step") return;
        jump(event.step);
        if (event.step === 7) stop.abort();
      },
    );
    clock.offsetMs = -1000 * DAY_MS;
    const { state: between } = await readRun(root, "owl-1");
    assert.deepEqual([between?.status, between?.step], ["stopped", 7]);
    const second = await collectRun(
      resumeRun({ ...common, root }),
      (event) => event.kind === "step" && jump(event.step),
    );

    // 1. Times are of a clock that nobody sets.
    for (const events of [first, second]) {
      let before = 0;
      for (const event of events) {
        if (!("elapsedMs" in event)) continue;
        const { elapsedMs, remainingMs } = event;
        assert.ok(elapsedMs >= before && elapsedMs < DAY_MS, `${elapsedMs}`);
        assert.ok((remainingMs ?? 0) >= 0 && (remainingMs ?? 0) < DAY_MS);
        before = elapsedMs;
      }
    }

    // 2. What it learned is the same.
    const losses = async (root: string) =>
      (await loadMetrics(runPaths(root, "owl-1").metrics))
        .map((row) => row.kind === "step" ? row.trainLoss : row.valLoss);
    assert.deepEqual(await losses(root), await losses(whole));
    const weights = async (root: string) => {
      const { checkpoints } = runPaths(root, "owl-1");
      return (await loadCheckpoint(checkpoints, { read: readSnapshot }))
        .content.params;
    };
    assert.deepEqual(await weights(root), await weights(whole));
  }));

Deno.test("a run stays alive for its readers when the clock is set", () =>
  inTempDir(async (root) => {
    using clock = new Clock();
    for await (const event of startRun({ ...common, root })) {
      if (event.kind !== "step" || event.step !== 5) continue;
      for (const days of [-400, 400]) {
        clock.offsetMs = days * DAY_MS;
        const { state } = await readRun(root, "owl-1");
        assert.deepEqual([state?.status, state?.alive], ["running", true]);
      }
    }
  }));
