import assert from "node:assert/strict";
import { type Metric, metricLine } from "../../../src/run/files/metrics.ts";
import { readMetricsRange } from "../../../src/run/files/metrics_range.ts";
import { stepMetric } from "../_fake_run.ts";
import { inTempDir } from "../_helpers.ts";

/** Steps of the rows from `low` to `high`, and whether the file ends there. */
async function stepsOf(path: string, low: number, high: number) {
  const steps: number[] = [];
  let isEnd: boolean | null = null;
  for await (const part of readMetricsRange(path, { low, high })) {
    steps.push(...part.metrics.map(({ step }) => step));
    isEnd = part.isEnd;
  }
  return { steps, isEnd };
}

/** Such a row every ten steps: `10, 20, …`. */
const row = (i: number): Metric => stepMetric(10 * i);
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => 10 * (from + i));

Deno.test("readMetricsRange() finds the rows of a long file", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    const count = 8000; // some 2 MB
    const lines = Array.from({ length: count }, (_, i) => metricLine(row(i)));
    await Deno.writeTextFile(path, lines.join(""));
    const { size } = await Deno.stat(path);
    assert.ok(size > 4 * (1 << 18), `${size} bytes`);

    // Anywhere, also between two rows, and one by one.
    for (const at of [0, 1, 777, 2000, 4001, 5555, 7990]) {
      const { steps, isEnd } = await stepsOf(path, 10 * at - 3, 10 * at + 47);
      assert.deepEqual(steps, range(at, at + 4));
      assert.equal(isEnd, false);
    }
    assert.deepEqual(await stepsOf(path, 5, 9), { steps: [], isEnd: false });
    assert.deepEqual(await stepsOf(path, 79_970, 1e9), {
      ...{ steps: range(7997, 7999), isEnd: true },
    });
    assert.deepEqual((await stepsOf(path, 0, 1e9)).steps, range(0, 7999));
    assert.deepEqual(await stepsOf(path, 1e8, 1e9), { steps: [], isEnd: true });
  });
});

Deno.test("readMetricsRange() passes over damage, and needs no file", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/metrics.jsonl`;
    assert.deepEqual(await stepsOf(path, 0, 9), { steps: [], isEnd: null });
    await Deno.writeTextFile(path, "");
    assert.deepEqual(await stepsOf(path, 0, 9), { steps: [], isEnd: true });

    const good = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => metricLine(row(from + i)))
        .join("");
    const junk = "\x00".repeat(600_000); // wider than what is read at once
    const torn = metricLine(row(6000)).slice(0, 100);
    await Deno.writeTextFile(
      path,
      good(0, 3000) + junk + "\n" + good(3000, 4000) + '{"step": 1}\n[]\n\n' +
        good(4000, 6000) + torn,
    );
    for (const at of [10, 1500, 2995, 3002, 3995, 4100, 5990]) {
      const { steps } = await stepsOf(path, 10 * at, 10 * at + 90);
      assert.deepEqual(steps, range(at, at + 9));
    }
    assert.deepEqual(await stepsOf(path, 59_990, 1e9), {
      ...{ steps: [59_990], isEnd: true },
    });
    // A file of junk alone.
    await Deno.writeTextFile(path, junk);
    assert.deepEqual(await stepsOf(path, 0, 1e9), { steps: [], isEnd: true });
  });
});
