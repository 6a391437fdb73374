import assert from "node:assert/strict";
import { timeTrial } from "../../src/train/estimate.ts";

Deno.test("timeTrial() tells the time of a step, however many run in a row", async () => {
  let clockMs = 0, runs = 0;
  const stepMs = await timeTrial({
    steps: 16, // of 25 ms, once they are compiled
    run() {
      clockMs += runs++ === 0 ? 5000 : 400;
      return Promise.resolve();
    },
  }, { signal: new AbortController().signal, now: () => clockMs });
  assert.equal(stepMs, 25);
  assert.equal(runs, 4); // for 1.2 s
});
