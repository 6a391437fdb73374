/**
 * The dashboard in Ink: keys in, frames out, on the files of real runs.
 */

import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { metricLine } from "../../src/run/files/metrics.ts";
import { initialRunState } from "../../src/run/files/run_state.ts";
import { FakeRun, stepMetric } from "../run/_fake_run.ts";
import { textWidth } from "../../src/tui/text/width.ts";
import { Workspace } from "../cli/_workspace.ts";
import { eventually } from "../run/_eventually.ts";
import { inTempDir } from "../run/_helpers.ts";
import { TestTui } from "./_ink.tsx";

Deno.test("the dashboard of an empty root, exactly", async () => {
  await using tui = new TestTui("/no/such/root", { columns: 60, rows: 20 });
  await tui.dashboard.look();
  assert.deepEqual(tui.frame.split("\n"), [
    " hearth › runs                                  0 runs  2/s",
    ...Array(5).fill(""),
    "         No runs yet",
    "",
    "         n  starts one: on the built-in stories,",
    "            or on your own text",
    "",
    "         runs are kept in /no/such/root",
    ...Array(7).fill(""),
    " n new  p pause  ? help  q quit",
  ]);
  await tui.press("q");
  assert.deepEqual(tui.left, { args: null });
});

Deno.test("the dashboard says when the window is too small", async () => {
  await inTempDir(async (root) => {
    await using tui = new TestTui(root, { columns: 38, rows: 8 });
    await tui.dashboard.look();
    assert.match(tui.frame, /^This window is 38x8; 40x10 are needed/);
  });
  await inTempDir(async (root) => {
    await using tui = new TestTui(root, { columns: 12, rows: 5 });
    assert.match(tui.frame, /^This window\nis 12x5;\n40x10 are\nneeded\n$/);
  });
});

Deno.test("every screen has its place in the smallest window", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "30", "--log-every", "1", "--quiet"]);
  await using tui = new TestTui(workspace.root, { columns: 40, rows: 10 });
  const frame = () => tui.frame.split("\n");
  const isWhole = () => {
    assert.equal(frame().length, 10);
    assert.ok(frame().every((one) => textWidth(one) <= 40), tui.frame);
    assert.match(tui.frame, /help|\^G/);
  };
  await tui.dashboard.look();
  assert.match(frame()[1], /^ run +status +loss +val loss$/);
  isWhole();
  await tui.press("enter");
  await tui.shows(/ 1 overview 2 3 4 5/);
  // The loss without axes, and what else there is room for.
  await tui.shows(/100 % {2}step 30\/30\n/);
  await tui.shows(/\n loss +\d\.\d{4}\n +[█▇▆]/);
  await tui.shows(/\n tokens\/s +[\d,]+ {2}lr/);
  isWhole();
  for (const page of ["2", "3", "4", "5"]) {
    await tui.press(page);
    isWhole();
  }
  await tui.press("r");
  await tui.shows(/❯ checkpoint +‹ latest ›/);
  isWhole();
  await tui.press("esc", "g");
  await tui.shows(/❯ prompt/);
  isWhole();
  await tui.press("esc", "f");
  await tui.shows("❯ profile");
  isWhole();
  await tui.press("\x07"); // Ctrl+G
  await tui.shows("↑↓ more");
  await tui.press("esc", "down", "down", "down", "down", "down", "down");
  await tui.shows(/❯ dataset/);
  await tui.shows(/\$ hearth/);
});

Deno.test("the dashboard follows a run, and tells that it was killed", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await using tui = new TestTui(root, { columns: 100, rows: 30 });
    await tui.dashboard.look();
    await tui.shows("● running");
    await tui.press("enter");
    await tui.shows("1 overview");
    const metrics = Array.from({ length: 40 }, (_, i) => stepMetric(10 * i));
    await run.append(
      "metrics",
      metrics.map((m) => JSON.stringify(m) + "\n").join(""),
    );
    await run.append("log", "step 390/1000 | loss 3.0000\nwarning: hot\n");
    await run.set({ step: 390, totalSteps: 1000, warnings: ["hot"] });
    await tui.shows("step 390/1,000");
    await tui.shows("⠒⠒ loss");
    await tui.shows("step 390/1000 | loss 3.0000");
    await tui.press("5");
    await tui.shows(/warning\n +hot/);

    await run.die();
    await run.set({ pid: 2 ** 30 });
    await tui.shows("interrupted");
    await tui.press("esc");
    await tui.dashboard.look();
    await tui.shows("! interrupted");
  });
});

Deno.test("the dashboard survives a state file that is damaged while it watches", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await using tui = new TestTui(root);
    await tui.dashboard.look();
    await tui.press("enter");
    await tui.shows("● running");
    await Deno.writeTextFile(run.paths.state, "{");
    await tui.press("5");
    await tui.shows(/it is\s+not JSON/);
    await tui.press("esc");
    await tui.dashboard.look();
    await tui.shows("✗ broken");
    await run.set({ status: "running", step: 5 });
    await tui.dashboard.look();
    await tui.shows("● running");
  });
});

Deno.test("settings that are damaged are among the problems of a run", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await Deno.writeTextFile(run.paths.meta, "{");
    // Wide enough for any path.
    await using tui = new TestTui(root, { columns: 400 });
    await tui.dashboard.look();
    await tui.press("enter", "5");
    await tui.shows(/5 problems 1/);
    await tui.shows(/damaged\n +Cannot read ".*meta\.json"/);
    await tui.press("4");
    await tui.shows("meta.json cannot be read");
  });
});

Deno.test("a message that is too long for the last row takes more of them", async () => {
  await inTempDir(async (root) => {
    await using tui = new TestTui(root, { columns: 40, rows: 10 });
    tui.dashboard.say(
      "one two three four five six seven eight nine ten",
      "bad",
    );
    await tui.shows(/\n one two three four five six seven\n eight nine ten$/);
    assert.equal(tui.frame.split("\n").length, 10);
    await tui.press("k");
    await tui.shows(/help {2}q quit$/);
  });
});

Deno.test("the dashboard shows 50 runs, filters, sorts and goes to the end", async () => {
  await inTempDir(async (root) => {
    for (let i = 1; i <= 50; i++) {
      const { dir, state } = runPaths(root, `run-${i}`);
      await Deno.mkdir(dir, { recursive: true });
      const status = i % 10 === 0 ? "failed" : "completed";
      const text = JSON.stringify(initialRunState(`run-${i}`, status));
      await Deno.writeTextFile(state, text);
    }
    await using tui = new TestTui(root);
    await tui.dashboard.look();
    await tui.shows("50 runs");
    await tui.press("G");
    await tui.press("/");
    await tui.press("failed");
    await tui.shows("5 of 50");
    await tui.press("enter", "o");
    await tui.shows(/▾run/);
    const shown = tui.frame.match(/run-\d+/g);
    assert.deepEqual(shown?.slice(0, 5), [
      ...["run-10", "run-20", "run-30", "run-40", "run-50"],
    ]);
    await tui.press("esc");
    await tui.shows(/run-1 /);
  });
});

Deno.test("the help has every key of the screen", async () => {
  await inTempDir(async (root) => {
    await using tui = new TestTui(root, { columns: 80, rows: 40 });
    await tui.dashboard.look();
    await tui.press("?");
    const frame = await tui.shows("keys");
    assert.match(frame, /│ n +start a run/);
    assert.match(frame, /│ \+ = +refresh more often/);
    // Without a run, there is none to do anything with.
    assert.doesNotMatch(frame, /the run/);
    await tui.press("esc");
    assert.doesNotMatch(tui.frame, /refresh more often/);
    await tui.press("+", "p");
    assert.match(tui.frame, /paused/);
  });
});

Deno.test("every page scrolls from its end at the first press", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    const line = (i: number) => `line ${i} of the log\n`;
    const lines = Array.from({ length: 50 }, (_, i) => line(i));
    await run.append("log", lines.join(""));
    const warnings = Array.from({ length: 30 }, (_, i) => `warning ${i}`);
    await run.set({ step: 1, warnings });
    const meta = {
      runId: "owl-1",
      order: 1,
      createdAt: "2026-11-27T12:00:00Z",
    };
    await Deno.writeTextFile(
      run.paths.meta,
      JSON.stringify({
        ...{ ...meta, commandLine: ["hearth", "train"], sessions: [] },
        config: await loadConfig({}),
      }),
    );
    await using tui = new TestTui(root, { columns: 60, rows: 12 });
    await tui.dashboard.look();
    const body = () => tui.frame.split("\n").slice(2, -1);
    await tui.press("enter", "2");
    await tui.shows("line 49");
    for (const page of ["4", "5"]) {
      await tui.press(page, "G");
      const end = body();
      await tui.press("k");
      assert.deepEqual(body().slice(1), end.slice(0, -1), `page ${page}`);
      await tui.press("j");
      assert.deepEqual(body(), end);
    }
    await tui.press("2", "home");
    await tui.shows("line 0 of");
    await tui.press("j");
    assert.match(body()[0], /line 1 of/);
    // What one reads stays where it is, whatever comes.
    await run.append("log", line(50) + line(51));
    await run.set({ step: 2 });
    await tui.press("1");
    await tui.shows("line 51");
    await tui.press("2");
    assert.match(body()[0], /line 1 of/);
    await tui.press("G");
    await tui.shows("line 51");
  });
});

Deno.test("the selected checkpoint stays selected when another one comes", async () => {
  await using workspace = await Workspace.create();
  await workspace.train([
    ...["--steps", "8", "--checkpoint-every", "2", "--quiet"],
  ]);
  await using tui = new TestTui(workspace.root, { columns: 80, rows: 24 });
  await tui.dashboard.look();
  await tui.press("enter", "3");
  await tui.shows("step-00000004");
  await tui.press("j", "j"); // 8, 6, 4
  await workspace.run(["resume", "owl-1", "--more-steps", "1", "--quiet"]);
  await tui.press("f");
  await tui.shows(/from +owl-1\/4/);
  await tui.press("esc");
  await tui.shows("step-00000009");
  await tui.press("g");
  await tui.shows(/model +owl-1\/4/);
});

Deno.test("delete asks, refuses while a run trains, and removes it", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await using tui = new TestTui(root);
    await tui.dashboard.look();
    await tui.press("d");
    await tui.shows("is training it");
    await run.end("stopped");
    await tui.dashboard.look();
    await tui.press("d");
    await tui.shows("Remove owl-1 and its checkpoints");
    await tui.press("n");
    assert.ok((await Deno.stat(run.paths.dir)).isDirectory);
    await tui.press("d");
    await tui.shows("Remove owl-1 and its checkpoints");
    await tui.press("y");
    await tui.shows("owl-1 is removed");
    await tui.dashboard.look();
    await tui.shows("No runs yet");
  });
});

Deno.test("the dashboard keeps up with 50 runs at 10 updates a second", async () => {
  await inTempDir(async (root) => {
    const ids = Array.from({ length: 50 }, (_, i) => `run-${i}`);
    const write = async (step: number) => {
      for (const id of ids) {
        const state = { ...initialRunState(id, "completed"), step };
        await Deno.writeTextFile(
          runPaths(root, id).state,
          JSON.stringify(state),
        );
      }
    };
    for (const id of ids) {
      await Deno.mkdir(runPaths(root, id).dir, { recursive: true });
    }
    await using tui = new TestTui(root, { columns: 100, rows: 60 });
    await tui.press("+", "+");
    void tui.dashboard.watch();
    for (let step = 1; step <= 15; step++) {
      await write(step);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await tui.shows("10/s");
    await eventually(() =>
      tui.frame.match(/✓ completed .* 15\/\?/g)?.length === 50
    );
    await tui.press("p");
    await tui.shows("paused");
    await write(99);
    await tui.dashboard.look();
    assert.doesNotMatch(tui.frame, /99\/\?/);
    await tui.press("p");
    await tui.shows("99/?");
  });
});

Deno.test("a long run is zoomed into until single steps are seen", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    // The mean of two neighbors is always 2.
    const row = (step: number) =>
      metricLine({ ...stepMetric(step), trainLoss: step % 2 ? 1 : 3 });
    const all = Array.from({ length: 40_000 }, (_, step) => row(step));
    await run.append("metrics", all.join(""));
    await run.set({ step: 39_999, totalSteps: 50_000 });
    await using tui = new TestTui(root, { columns: 100, rows: 30 });
    await tui.dashboard.look();
    await tui.press("enter", "e", "e", "e"); // as measured
    await tui.shows("⠒⠒ loss");
    const isFlat = /3\.0┤ +│\n[^]*2\.0┤[\u2801-\u28ff]{20}[^]*1\.0┤ +│\n/;
    await tui.shows(isFlat);
    await tui.shows(/ 35000 +│/); // all of it is read
    for (let i = 0; i < 14; i++) await tui.press("z");
    await tui.shows(/zoom 4,096x/); // ten steps, and no closer
    await tui.shows("single steps are in sight");
    const isJagged = /3\.0┤.*[\u2801-\u28ff].*\n[^]*1\.0┤.*[\u2801-\u28ff]/;
    await tui.shows(isJagged);
    await tui.shows(/ 39990 +39992 +39994 +39996 +39998 /);
    await run.append("metrics", row(40_000) + row(40_001));
    await tui.shows(/ 4000[01]\b/);
    for (let i = 0; i < 5; i++) await tui.press("left");
    await tui.shows("earlier");
    await tui.shows(isJagged);
    for (let i = 0; i < 12; i++) await tui.press("x");
    await tui.shows(isFlat);
  });
});

Deno.test("a run whose directory vanishes is left alone, and may come back", async () => {
  await inTempDir(async (root) => {
    await using run = new FakeRun(root);
    await run.begin();
    await run.end("stopped");
    await using tui = new TestTui(root);
    await tui.dashboard.look();
    await tui.press("enter");
    await tui.shows("■ stopped");
    await Deno.rename(run.paths.dir, `${root}/elsewhere`);
    await tui.shows("this run was removed");
    for (const key of ["r", "g", "s", "d"]) await tui.press(key);
    await tui.shows("Esc goes back to the runs");
    await tui.shows(/\n Esc back {2}p pause {2}\? help {2}q quit$/);
    await Deno.rename(`${root}/elsewhere`, run.paths.dir);
    await tui.shows("■ stopped");
  });
});
