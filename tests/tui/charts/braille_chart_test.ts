import assert from "node:assert/strict";
import { axisTicks, formatTick } from "../../../src/tui/charts/axis_ticks.ts";
import { renderChart } from "../../../src/tui/charts/braille_chart.ts";

const lines = (...text: string[]) => text.join("\n");

Deno.test("renderChart() draws a falling loss with axes and marks", () => {
  // 8 / 2^(step / 100): halves every 100 steps, from 8 to 0.25.
  const loss = (step: number) => 8 / 2 ** (step / 100);
  const steps = Array.from({ length: 51 }, (_, i) => i * 10);
  assert.equal(
    renderChart([
      { name: "trainLoss", points: steps.map((s) => [s, loss(s)]) },
      { name: "valLoss", points: [[200, 3], [400, 1.5]], mark: "o" },
    ], { columns: 48, rows: 12, xName: "step" }),
    lines(
      " 8┤⠑⢄",
      "  │ ⠈⢢",
      " 6┤   ⠑⢄",
      "  │     ⠉⢆⡀",
      " 4┤       ⠈⠢⢄⡀",
      "  │          ⠈⠒⠤⣀    o",
      " 2┤              ⠑⠢⠤⢄⡀",
      "  │                  ⠈⠉⠒⠒⠤⢄⣀⣀⡀        o",
      "  │                          ⠈⠉⠉⠉⠒⠒⠒⠢⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀",
      "  └┬─────────────────┬────────────────┬─────────",
      "   0                200              400",
      "   step   ⠒⠒ trainLoss   o valLoss",
    ),
  );
});

Deno.test("renderChart() sets single dots where they belong", () => {
  // Numbers take 3 columns and the axis 1: 20 cells of 2 x 4 dots by 4 rows,
  // so with these ranges every unit is one dot.
  const dot = (x: number, y: number) => ({
    name: "a",
    points: [[x, y]] as const,
  });
  assert.equal(
    renderChart([dot(0, 0), dot(39, 15), dot(3, 15), dot(2, 10), dot(38, 1)], {
      columns: 24,
      rows: 7,
      xName: "x",
    }),
    lines(
      "   │ ⠈                 ⠈",
      " 10┤ ⠂",
      "   │",
      "  0┤⡀                  ⠄",
      "   └┬─────────┬─────────",
      "    0        20",
      "    x   ⠒⠒ a   ⠒⠒ a   ⠒⠒ a   ⠒⠒ a   ⠒⠒ a",
    ),
  );
});

Deno.test("renderChart() draws one point, flat lines and nothing", () => {
  const options = { columns: 24, rows: 7, xName: "step" };
  assert.equal(
    renderChart([{ name: "a", points: [[1, 3]] }], options),
    lines(
      " 4┤",
      "  │",
      "  │⠁",
      " 2┤",
      // The next step is 2, and there is none between.
      "  └┬───────────────────┬",
      "   1                   2",
      "   step   ⠒⠒ a",
    ),
  );
  assert.equal(
    renderChart([{ name: "a", points: [[0, 3], [4, 3]] }], options),
    lines(
      " 4┤",
      "  │",
      "  │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉",
      " 2┤",
      "  └┬─────────┬─────────┬",
      "   0         2         4",
      "   step   ⠒⠒ a",
    ),
  );
  const nothing = "(nothing to draw yet)";
  assert.equal(renderChart([], options), nothing);
  assert.equal(
    renderChart([{ name: "a", points: [[0, NaN], [1, Infinity]] }], options),
    nothing,
  );
});

Deno.test("renderChart() takes the mean of the points of one column", () => {
  // Two points at each x, one below and one above a line from 0 to 8.
  const smooth = Array.from(
    { length: 500 },
    (_, x): [number, number] => [x, x / 62.5],
  );
  const noisy = smooth.flatMap(([x, y]) => [[x, y - 1], [x, y + 1]] as const);
  const sameRange = [[0, -1], [499, 9]] as const;
  const draw = (points: readonly (readonly [number, number])[]) =>
    renderChart([
      { name: "a", points },
      { name: "b", points: sameRange, mark: "x" },
    ], { columns: 40, rows: 10, xName: "step" });
  assert.equal(draw(noisy), draw(smooth));
});

Deno.test("renderChart() keeps to its size", () => {
  for (const [columns, rows] of [[24, 7], [37, 9], [80, 24], [200, 50]]) {
    const points = Array.from(
      { length: 300 },
      (_, i): [number, number] => [i * 1000, Math.sin(i) * 1e6],
    );
    const text = renderChart([{ name: "a", points }], {
      columns,
      rows,
      xName: "step",
    });
    const drawn = text.split("\n");
    assert.equal(drawn.length, rows);
    assert.ok(drawn.every((line) => line.length <= columns), text);
  }
});

Deno.test("axisTicks() returns round numbers inside the range", () => {
  assert.deepEqual(axisTicks({ low: 1.95, high: 7.1 }, 6), [2, 3, 4, 5, 6, 7]);
  assert.deepEqual(axisTicks({ low: 1.95, high: 7.1 }, 4), [2, 4, 6]);
  assert.deepEqual(axisTicks({ low: 0, high: 1 }, 6), [
    0,
    0.2,
    0.4,
    0.6,
    0.8,
    1,
  ]);
  assert.deepEqual(axisTicks({ low: -30, high: 20 }, 3), [-20, 0, 20]);
  assert.deepEqual(axisTicks({ low: 0.0001, high: 0.0003 }, 3), [
    0.0001,
    0.0002,
    0.0003,
  ]);
});

Deno.test("formatTick() writes as many decimals as all ticks need", () => {
  assert.deepEqual([0, 0.25, 0.5].map((t, _, all) => formatTick(t, all)), [
    "0.00",
    "0.25",
    "0.50",
  ]);
  assert.deepEqual([0, 500].map((t, _, all) => formatTick(t, all)), [
    "0",
    "500",
  ]);
});
