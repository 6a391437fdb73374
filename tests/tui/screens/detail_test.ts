import assert from "node:assert/strict";
import { WHOLE_CHART } from "../../../src/tui/charts/loss_chart.ts";
import {
  checkpointsPage,
  overviewPage,
} from "../../../src/tui/screens/detail_pages.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import { NO_TELEMETRY } from "../../../src/run/telemetry/telemetry.ts";
import { emptyRecord } from "../../../src/tui/state/run_feed.ts";
import { problemLines } from "../../../src/tui/screens/problem_lines.ts";
import { lineWidth } from "../../../src/tui/text/line.ts";
import { NOW, runRecord, textOf } from "../_runs.ts";

for (const [columns, rows] of [[58, 17], [78, 21], [118, 37], [198, 57]]) {
  Deno.test(`overviewPage() fits ${columns}x${rows}`, async (t) => {
    const size = { columns, rows };
    const lines = overviewPage(runRecord(), {
      size,
      chart: WHOLE_CHART,
      now: NOW,
    });
    assert.ok(lines.every((line) => lineWidth(line) <= columns));
    assert.ok(lines.length <= rows, `${lines.length} lines`);
    await t.assertSnapshot(textOf(lines));
  });
}

Deno.test("overviewPage() has room for trouble", () => {
  const record = runRecord({
    status: "failed",
    alive: false,
    error: "Stopped at step 1500: loss is NaN",
    warnings: ["one", "two"],
  });
  const size = { columns: 78, rows: 22 };
  const text = textOf(
    overviewPage(record, { size, chart: WHOLE_CHART, now: NOW }),
  );
  assert.match(text, /^✗ failed/);
  assert.match(text, /^! Stopped at step 1500: loss is NaN {2}\(5: all\)$/m);
});

Deno.test("overviewPage() of a run without measurements says so", () => {
  const record = runRecord();
  for (const points of Object.values(record.curves)) points.length = 0;
  record.log = [];
  const size = { columns: 78, rows: 22 };
  const text = textOf(
    overviewPage(record, { size, chart: WHOLE_CHART, now: NOW }),
  );
  assert.match(text, /no losses yet/);
});

Deno.test("overviewPage() tells what a GPU does now, not what it did", () => {
  const measured = (change: Partial<RunState>) => {
    const record = runRecord(change);
    Object.assign(record.curves, {
      gpuUtilPct: [[1000, 97]],
      vramUsedBytes: [[1000, 4.1e9]],
      powerW: [[1000, 201]],
      tempC: [[1000, 61]],
    });
    const size = { columns: 198, rows: 57 };
    const text = textOf(
      overviewPage(record, { size, chart: WHOLE_CHART, now: NOW }),
    );
    return ["GPU", "GPU memory", "power", "temperature"].map((title) =>
      new RegExp(`│ ${title} {2,}(.*) │$`, "m").exec(text)?.[1]
    );
  };
  const telemetry = {
    ...NO_TELEMETRY,
    gpuUtilPct: 12,
    vramUsedBytes: 3e9,
    powerW: 40,
    tempC: 44,
  };
  assert.deepEqual(
    measured({ telemetry }),
    ["12 %", "3.0 GB", "40 W", "44 °C"],
  );
  // The driver has stopped to tell.
  assert.deepEqual(measured({ telemetry: NO_TELEMETRY }), ["–", "–", "–", "–"]);
  // Of a run that is over, the last is what there is.
  assert.deepEqual(
    measured({ telemetry: NO_TELEMETRY, status: "stopped", alive: false }),
    ["97 %", "4.1 GB", "201 W", "61 °C"],
  );
});

Deno.test("overviewPage() of an imported model says what can be done with it", () => {
  const record = emptyRecord("owl-1");
  record.state = {
    ...initialRunState("owl-1", "completed"),
    ...{ step: 0, totalSteps: 0 },
  };
  const size = { columns: 58, rows: 17 };
  const [first, second] = textOf(
    overviewPage(record, { size, chart: WHOLE_CHART, now: NOW }),
  ).split("\n");
  assert.equal(
    first,
    "✓ completed  nothing to train: g writes with it, f trains",
  );
  assert.equal(second, "             it on");
});

Deno.test("checkpointsPage() lists the newest first", () => {
  const size = { columns: 78, rows: 10 };
  assert.equal(
    textOf(checkpointsPage(runRecord(), { size, at: 0, now: NOW })),
    [
      "checkpoint      step     size    saved",
      "step-00001000  1,000  11.3 MB  16m ago  latest",
      "step-00000500    500  11.3 MB   8m ago  best",
      "",
      "r resumes from it, g writes text with it",
    ].join("\n"),
  );
});

Deno.test("problemLines() tells errors, damage and warnings in full", () => {
  const record = runRecord({
    status: "interrupted",
    alive: false,
    warnings: ["the first one", "the second one"],
  });
  record.problems = ['Cannot read "state.json": it is not JSON'];
  assert.equal(
    textOf(problemLines(record, 40)),
    [
      "damaged",
      '  Cannot read "state.json": it is not',
      "  JSON",
      "",
      "interrupted",
      "  The process of the run is gone: it was",
      "  killed, or the machine was switched",
      "  off. r goes on from the newest",
      "  checkpoint.",
      "",
      "warning",
      "  the second one",
      "",
      "warning",
      "  the first one",
      "",
    ].join("\n"),
  );
});
