import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { measureSpeed } from "../../../src/backend/devices/measure.ts";

/**
 * A device with a clock of its own: runs take their time in the background,
 * and an answer comes only when all are done, plus what an answer costs.
 */
function fakeDevice(
  runMs: Record<string, number>,
  answerMs: number,
): { backend: Backend; now: () => number } {
  let nowMs = 0, busyUntilMs = 0;
  const backend = {
    compile: () =>
      Promise.resolve({
        run(phase: string) {
          busyUntilMs = Math.max(nowMs, busyUntilMs) + runMs[phase];
          return Promise.resolve();
        },
        read() {
          nowMs = Math.max(nowMs, busyUntilMs) + answerMs;
          return Promise.resolve(new Float32Array(1));
        },
        dispose: () => Promise.resolve(),
      }),
  } as unknown as Backend;
  return { backend, now: () => nowMs };
}

Deno.test("measureSpeed() leaves out what an answer costs", async () => {
  // 2 * 64 * 128 * 256 = 4,194,304 operations in 1/8 ms.
  const { backend, now } = fakeDevice({ multiply: 0.125, tiny: 0.25 }, 10);
  const shape = { M: 64, K: 128, N: 256 };
  const { gflops, callUs } = await measureSpeed(backend, shape, now);
  assert.equal(gflops.toFixed(6), "33.554432");
  assert.equal(callUs, 7.8125); // 250 us in 32 calls
});

Deno.test("measureSpeed() ends on a device too fast for the clock", async () => {
  const { backend, now } = fakeDevice({ multiply: 0, tiny: 0 }, 10);
  const shape = { M: 1, K: 1, N: 1 };
  const { gflops } = await measureSpeed(backend, shape, now);
  assert.ok(gflops > 0);
});
