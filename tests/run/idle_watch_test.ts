import assert from "node:assert/strict";
import { IdleWatch, type StepLook } from "../../src/run/idle_watch.ts";

/** One step a second for that many seconds; the hints that come of it. */
function watch(
  seconds: number,
  step: (second: number) => Partial<StepLook>,
): [second: number, hint: string][] {
  const watch = new IdleWatch();
  const hints: [number, string][] = [];
  for (let second = 0; second < seconds; second++) {
    const hint = watch.look({
      atMs: 5000 + 1000 * second,
      dtMs: 1000,
      waitedMs: 0,
      gpuUtilPct: null,
      ...step(second),
    });
    if (hint !== null) hints.push([second, hint]);
  }
  return hints;
}

Deno.test("IdleWatch says once that the GPU is idle", () => {
  // 41.5 on the mean.
  const hints = watch(300, (i) => ({ gpuUtilPct: i % 2 ? 80 : 3 }));
  assert.deepEqual(hints, [[
    60,
    "The GPU was busy 41 % of the last minute: a larger --batch-size may " +
    "train faster, see docs/tuning.md",
  ]]);
});

Deno.test("IdleWatch weighs long steps by their length", () => {
  // One look in ten is at a step ten times as long, with the GPU busy.
  const hints = watch(
    300,
    (i) =>
      i % 10 === 0
        ? { gpuUtilPct: 100, dtMs: 10_000 }
        : { gpuUtilPct: 30, dtMs: 1000 },
  );
  assert.deepEqual(hints, []);
});

Deno.test("IdleWatch says that training waits for data", () => {
  const hints = watch(100, () => ({ waitedMs: 150 }));
  assert.deepEqual(hints, [[
    60,
    "Training waited for data 15 % of the last minute: raise " +
    "--prefetch-batches, or keep the data on a faster disk",
  ]]);
});

for (
  const [what, step] of [
    ["a busy GPU", { gpuUtilPct: 61 }],
    ["a GPU that tells nothing", { gpuUtilPct: null }],
    ["a little waiting", { waitedMs: 90 }],
  ] as const
) {
  Deno.test(`IdleWatch is silent about ${what}`, () => {
    assert.deepEqual(watch(300, () => step), []);
  });
}

Deno.test("IdleWatch notices what begins later", () => {
  const hints = watch(200, (i) => ({ gpuUtilPct: i < 61 ? 95 : 10 }));
  assert.deepEqual(hints.map(([second]) => second), [120]);
});
