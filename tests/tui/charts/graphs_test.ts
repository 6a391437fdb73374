import assert from "node:assert/strict";
import { areaGraph } from "../../../src/tui/charts/area_graph.ts";
import { logTicks } from "../../../src/tui/charts/axis_ticks.ts";
import { gauge } from "../../../src/tui/charts/gauge.ts";
import {
  lossChart,
  panned,
  shownSteps,
  WHOLE_CHART,
  zoomed,
} from "../../../src/tui/charts/loss_chart.ts";
import { smoothed } from "../../../src/tui/charts/smoothing.ts";
import { lineText } from "../_line_text.ts";

Deno.test("areaGraph() fills from the bottom, in blocks or in dots", () => {
  const points = [[0, 0], [1, 1], [2, 2], [3, 7]] as const;
  const range = { from: 0, to: 4, low: 0, high: 7 };
  assert.deepEqual(areaGraph(points, { ...range, columns: 4, rows: 1 }), [
    "▁▂▃█",
  ]);
  // 4 dots per row: heights 1, 2, 3 and 8 of 8.
  assert.deepEqual(areaGraph(points, { ...range, columns: 2, rows: 2 }), [
    " ⢸",
    "⣠⣾",
  ]);
});

Deno.test("areaGraph() holds values between points, and knows where none is", () => {
  const points = [[2, 5], [6, 5], [8, NaN]] as const;
  const options = { from: 0, to: 10, low: 0, high: 5, columns: 5, rows: 1 };
  assert.deepEqual(areaGraph(points, options), [" ███ "]);
  assert.deepEqual(areaGraph([], options), ["     "]);
});

Deno.test("smoothed() is the average with its start corrected", () => {
  const points = [[1, 4], [2, NaN], [3, 8]] as const;
  assert.equal(smoothed(points, 0), points);
  // m1 = 0.5*4 = 2, / (1-0.5) = 4; m2 = 0.5*2 + 0.5*8 = 5, / (1-0.25) = 6.67
  const [first, second] = smoothed(points, 0.5);
  assert.deepEqual(first, [1, 4]);
  assert.equal(second[0], 3);
  assert.ok(Math.abs(second[1] - 20 / 3) < 1e-12);
});

Deno.test("a chart zooms to its end and moves within its steps", () => {
  const curves = { low: 0, high: 100 };
  const half = zoomed(WHOLE_CHART, 1 / 2, 100);
  assert.deepEqual(shownSteps(curves, WHOLE_CHART), { low: 0, high: 100 });
  assert.deepEqual(shownSteps(curves, half), { low: 50, high: 100 });
  const earlier = panned(half, -1);
  assert.deepEqual(shownSteps(curves, earlier), { low: 25, high: 75 });
  assert.deepEqual(shownSteps(curves, panned(panned(earlier, -1), -1)), {
    low: 0,
    high: 50,
  });
  assert.deepEqual(shownSteps(curves, panned(half, 1)), { low: 50, high: 100 });
  assert.equal(zoomed(half, 2, 100).zoom, 1);
  assert.deepEqual(zoomed(WHOLE_CHART, 2, 100), WHOLE_CHART);
});

Deno.test("a chart zooms on until single rows are left, not further", () => {
  const closest = (rows: number) => {
    let view = WHOLE_CHART;
    for (let i = 0; i < 40; i++) view = zoomed(view, 1 / 2, rows);
    return view.zoom * rows;
  };
  assert.deepEqual([5, 10, 16, 1000].map(closest), [5, 10, 8, 1000 / 64]);
  assert.equal(closest(1 << 20), 8);
});

Deno.test("lossChart() says what is not as usual about it", () => {
  const trainLoss = Array.from(
    { length: 40 },
    (_, i) => [i, 10 / (i + 1)] as const,
  );
  const text = (view: Partial<typeof WHOLE_CHART>) =>
    lossChart(
      {
        trainLoss,
        valLoss: [],
        steps: shownSteps({ low: 0, high: 39 }, { ...WHOLE_CHART, ...view }),
      },
      { ...WHOLE_CHART, ...view },
      { columns: 76, rows: 10 },
    ).map(lineText);
  assert.match(text({}).at(-1)!, /loss \(smoothed 0\.6\)/);
  assert.match(text({ smoothing: 0 }).at(-1)!, /⠒⠒ loss {2}/);
  const zoom = text({ zoom: 0.25, end: 0.5, logY: true });
  assert.match(zoom.at(-1)!, /zoom 4x earlier {2}log y$/);
  // Ten points are no noise.
  assert.doesNotMatch(zoom.at(-1)!, /smoothed/);
  assert.equal(zoom.length, 10);
});

Deno.test("logTicks() are round numbers, also within a decade", () => {
  const ends = (low: number, high: number) => ({
    low: Math.log10(low),
    high: Math.log10(high),
  });
  assert.deepEqual(logTicks(ends(0.5, 20), 8), [0.5, 1, 2, 5, 10, 20]);
  assert.deepEqual(
    logTicks(ends(0.5, 20), 4),
    [1, 3, 10],
  );
  assert.deepEqual(logTicks(ends(2.2, 2.8), 4), [2.2, 2.4, 2.6, 2.8]);
});

Deno.test("gauge() fills in eighths and never overflows", () => {
  const text = (fraction: number) => lineText(gauge(fraction, 4));
  assert.equal(text(0), "····");
  assert.equal(text(0.5), "██··");
  assert.equal(text(0.53125), "██▏·");
  assert.equal(text(7), "████");
  assert.equal(text(NaN), "····");
});
