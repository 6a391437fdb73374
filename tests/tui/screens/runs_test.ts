import assert from "node:assert/strict";
import {
  runsLines,
  type RunsView,
} from "../../../src/tui/screens/runs_screen.ts";
import { orderRuns } from "../../../src/tui/screens/runs_table.ts";
import { lineWidth } from "../../../src/tui/text/line.ts";
import { brokenRun, NOW, runInfo, runRecord, textOf } from "../_runs.ts";

const RUNS = [
  runInfo("owl-1"),
  runInfo("日本語-run", {
    status: "completed",
    alive: false,
    step: 3000,
    trainLoss: 0.5831,
    valLoss: 0.5425,
    ageMs: 3 * 3600e3,
  }),
  runInfo("elk-7", {
    status: "failed",
    alive: false,
    trainLoss: null,
    valLoss: null,
    error: "loss is NaN",
    ageMs: 2 * 86400e3,
  }),
  brokenRun("bee-1"),
];

const VIEW: RunsView = {
  runs: RUNS,
  total: RUNS.length,
  at: 0,
  top: 0,
  order: { sort: null, reverse: false, filter: "" },
  isFiltering: false,
  root: "/models",
  now: NOW,
  preview: null,
};

for (const [columns, rows] of [[58, 18], [78, 22], [118, 38], [198, 58]]) {
  Deno.test(`runsLines() fits ${columns}x${rows}`, async (t) => {
    const lines = runsLines({ ...VIEW, preview: runRecord() }, {
      columns,
      rows,
    });
    assert.ok(lines.every((line) => lineWidth(line) <= columns));
    assert.ok(lines.length <= rows);
    await t.assertSnapshot(textOf(lines));
  });
}

Deno.test("runsLines() says how to start where there are no runs", () => {
  const lines = runsLines({ ...VIEW, runs: [], total: 0 }, {
    columns: 44,
    rows: 8,
  });
  assert.equal(
    textOf(lines),
    [
      "",
      " No runs yet",
      "",
      " n  starts one: on the built-in stories,",
      "    or on your own text",
      "",
      " runs are kept in /models",
    ].join("\n").replace(/^\n/, ""),
  );
});

Deno.test("runsLines() tells what is wrong with the broken run that is selected", () => {
  const text = textOf(runsLines({ ...VIEW, at: 3 }, { columns: 70, rows: 20 }));
  assert.match(text, /bee-1 +✗ broken/);
  assert.match(text, /✗ Cannot read "runs\/bee-1\/state.json": it is not JSON/);
});

Deno.test("runsLines() shows the window of many runs that holds the selection", () => {
  const many = Array.from({ length: 50 }, (_, i) => runInfo(`run-${i}`));
  const lines = runsLines(
    { ...VIEW, runs: many, total: 50, at: 49, top: 40 },
    { columns: 80, rows: 11 },
  );
  assert.equal(lines.length, 11);
  const selected = lines.filter((line) => line.some(({ inverse }) => inverse));
  assert.deepEqual(selected.map((line) => line[0].text.trim()), ["run-49"]);
});

Deno.test("orderRuns() filters by all words, wherever they are", () => {
  const ids = (filter: string) =>
    orderRuns(RUNS, { sort: null, reverse: false, filter })
      .map(({ runId }) => runId);
  assert.deepEqual(ids(""), ["owl-1", "日本語-run", "elk-7", "bee-1"]);
  assert.deepEqual(ids("COMPLETED"), ["日本語-run"]);
  assert.deepEqual(ids("cpu fail"), ["elk-7"]);
  assert.deepEqual(ids("broken"), ["bee-1"]);
  assert.deepEqual(ids("nothing"), []);
});

Deno.test("orderRuns() sorts unknown values last, either way round", () => {
  const ids = (reverse: boolean) =>
    orderRuns(RUNS, { sort: 4, reverse, filter: "" }) // by loss
      .map(({ runId }) => runId);
  assert.deepEqual(ids(false), ["日本語-run", "owl-1", "elk-7", "bee-1"]);
  assert.deepEqual(ids(true), ["owl-1", "日本語-run", "elk-7", "bee-1"]);
});
