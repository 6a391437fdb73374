import assert from "node:assert/strict";
import { alignCurves, type Curve } from "../../../src/run/watch/curve_table.ts";

/** A curve of [step, value] at so many tokens per step. */
const curve = (
  tokensPerStep: number,
  ...points: [step: number, value: number][]
): Curve => ({
  runId: "owl-1",
  points: points.map(([step, value]) => ({
    step,
    tokens: step * tokensPerStep,
    value,
  })),
});

Deno.test("alignCurves() takes the steps that all have evaluated", () => {
  assert.deepEqual(
    alignCurves([
      curve(16, [0, 5], [10, 4], [20, 3], [30, 2]),
      curve(16, [0, 6], [15, 5], [30, 4], [45, 3]),
    ]),
    {
      by: "step",
      interpolated: false,
      rows: [{ at: 0, values: [5, 6] }, { at: 30, values: [2, 4] }],
    },
  );
});

Deno.test("alignCurves() goes by tokens where steps differ in size", () => {
  // In tokens: 0, 100, 200, 300 and 0, 200, 400.
  assert.deepEqual(
    alignCurves([
      curve(10, [0, 5], [10, 4], [20, 3], [30, 2]),
      curve(20, [0, 6], [10, 5], [20, 4]),
    ]),
    {
      by: "tokens",
      interpolated: false,
      rows: [{ at: 0, values: [5, 6] }, { at: 200, values: [3, 5] }],
    },
  );
});

Deno.test("alignCurves() interpolates between evaluations", () => {
  // In tokens: 40, 80 and 0, 60, 120: only 60 lies within both.
  assert.deepEqual(
    alignCurves([curve(10, [4, 3], [8, 1]), curve(20, [0, 9], [3, 5], [6, 4])]),
    {
      by: "tokens",
      interpolated: true,
      rows: [{ at: 60, values: [2, 5] }], // halfway from 3 to 1
    },
  );
});

Deno.test("alignCurves() interpolates where no step is common", () => {
  const { by, rows } = alignCurves([
    curve(10, [1, 4], [3, 2]),
    curve(10, [0, 6], [2, 4], [4, 2]),
  ]);
  assert.deepEqual([by, rows], ["tokens", [{ at: 20, values: [3, 4] }]]);
});

for (
  const [why, curves] of [
    ["one has none", [curve(10, [0, 5]), curve(10)]],
    ["they never meet", [curve(10, [0, 5], [1, 4]), curve(20, [5, 3])]],
  ] as const
) {
  Deno.test(`alignCurves() is empty if ${why}`, () => {
    assert.deepEqual(alignCurves(curves).rows, []);
  });
}

Deno.test("alignCurves() thins out many rows, but not the first and last", () => {
  const many = curve(
    10,
    ...Array.from({ length: 91 }, (_, i): [number, number] => [i, 100 - i]),
  );
  assert.deepEqual(
    alignCurves([many, many]).rows.map(({ at }) => at),
    [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
  );
});
