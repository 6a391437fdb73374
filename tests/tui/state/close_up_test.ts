import assert from "node:assert/strict";
import { type Metric, metricLine } from "../../../src/run/files/metrics.ts";
import { CloseUp } from "../../../src/tui/state/close_up.ts";
import { eventually } from "../../run/_eventually.ts";
import { stepMetric } from "../../run/_fake_run.ts";
import { inTempDir } from "../../run/_helpers.ts";

const rows = (from: number, to: number): Metric[] =>
  Array.from({ length: to - from }, (_, i) => ({
    ...stepMetric(from + i),
    trainLoss: from + i,
  }));
const evaluation = (step: number): Metric => ({
  ...{ kind: "eval", step, epoch: 1, tokens: 1, elapsedMs: 1 },
  ...{ valLoss: 2, valBpb: 1, best: true, dtMs: 1 },
});
const text = (metrics: readonly Metric[]) => metrics.map(metricLine).join("");

Deno.test("CloseUp has every row of a part, and reads it once", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    await Deno.writeTextFile(path, text(rows(0, 3000)));
    let changes = 0;
    using closeUp = new CloseUp(path, () => changes++);
    const part = { low: 1000.5, high: 1099.5 };
    assert.equal(closeUp.curvesOf(part), null);
    await eventually(() => changes === 1);
    const { trainLoss } = closeUp.curvesOf(part)!;
    // With half as many on both sides, for the way to the left and the right.
    assert.deepEqual(
      [trainLoss[0], trainLoss.at(-1), trainLoss.length],
      [[951, 951], [1149, 1149], 199],
    );
    assert.ok(closeUp.curvesOf({ low: 960, high: 1059 }));
    assert.ok(closeUp.curvesOf({ low: 1020, high: 1030 })); // closer still
    assert.equal(closeUp.curvesOf({ low: 0, high: 99 }), null);
    await eventually(() => changes === 2);
    assert.equal(
      closeUp.curvesOf({ low: 0, high: 99 })!.trainLoss.length,
      149,
    );
  });
});

Deno.test("CloseUp of the newest part goes on with what comes", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    await Deno.writeTextFile(path, text(rows(0, 1000)));
    let changes = 0;
    using closeUp = new CloseUp(path, () => changes++);
    const end = { low: 900, high: 999 };
    closeUp.curvesOf(end);
    // They come while it reads: one is in the file already, one is not.
    closeUp.add(rows(999, 1001));
    await eventually(() => changes === 1);
    closeUp.add([evaluation(1000)]);
    closeUp.add([evaluation(1000), ...rows(1000, 1200)]);
    const { trainLoss, valLoss } = closeUp.curvesOf({ low: 1100, high: 1199 })!;
    assert.deepEqual(
      trainLoss.map(([step]) => step),
      Array.from({ length: 349 }, (_, i) => 851 + i),
    );
    assert.deepEqual(valLoss, [[1000, 2]]);

    // A part that is not the newest has nothing to do with it.
    closeUp.curvesOf({ low: 100, high: 199 });
    await eventually(() => changes === 2);
    closeUp.add(rows(1200, 1210));
    const { length } = closeUp.curvesOf({ low: 100, high: 199 })!.trainLoss;
    assert.equal(length, 198);
  });
});

Deno.test("CloseUp reads a part again when its points have become too few", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    await Deno.writeTextFile(path, text(rows(0, 40_000)));
    let changes = 0;
    using closeUp = new CloseUp(path, () => changes++);
    closeUp.curvesOf({ low: 0, high: 39_999 });
    await eventually(() => changes === 1);
    const close = { low: 20_000, high: 20_099 };
    // Until it is read, what there is: a point for two rows.
    assert.equal(closeUp.curvesOf(close)!.trainLoss.length, 20_000);
    await eventually(() => changes === 2);
    assert.equal(closeUp.curvesOf(close)!.trainLoss.length, 198);
  });
});

Deno.test("CloseUp of a file that is gone has nothing, and asks once", async () => {
  let changes = 0;
  using closeUp = new CloseUp("/no/such/metrics.jsonl", () => changes++);
  for (let i = 0; i < 3; i++) {
    assert.equal(closeUp.curvesOf({ low: 0, high: 9 }), null);
    await eventually(() => changes === 1);
  }
});
