import assert from "node:assert/strict";
import {
  compareDevices,
  estimateMs,
  estimateWork,
  isSmallWork,
} from "../../../src/backend/devices/auto_device.ts";

Deno.test("estimateWork() counts a micro-step as by hand", () => {
  // 4 * 16 tokens; 6 per parameter, and 12 * L * T * C for attention.
  const shape = { B: 4, T: 16, C: 8, L: 2, parameterCount: 1000 };
  const { flops, calls, product } = estimateWork(shape);
  assert.equal(flops, 64 * (6000 + 12 * 2 * 16 * 8));
  assert.equal(calls, 125);
  assert.deepEqual(product, { M: 64, K: 8, N: 32 });
});

Deno.test("isSmallWork() holds for the demo, not for GPT-2", () => {
  const [B, T] = [8, 128];
  assert.ok(isSmallWork(
    estimateWork({ B, T, C: 128, L: 4, parameterCount: 1e6 }),
  ));
  assert.ok(
    !isSmallWork(
      estimateWork({ B, T: 1024, C: 768, L: 12, parameterCount: 1.2e8 }),
    ),
  );
});

Deno.test("estimateMs() adds arithmetic and calls", () => {
  // 2 GFLOP at 100 GFLOP/s, and 50 calls of 8 us.
  const work = { flops: 2e9, calls: 50 };
  assert.equal(estimateMs(work, { gflops: 100, callUs: 8 }), 20.4);
});

Deno.test("compareDevices() prefers the GPU when they are nearly equal", () => {
  const work = { flops: 1e9, calls: 0, product: { M: 1, K: 1, N: 1 } };
  const names = { cpu: "cpu", gpu: "gpu:0" };
  const compare = (cpu: number, gpu: number) =>
    compareDevices(work, {
      cpu: { gflops: cpu, callUs: 0 },
      gpu: { gflops: gpu, callUs: 0 },
    }, names).faster;
  assert.equal(compare(100, 100), "gpu");
  assert.equal(compare(105, 100), "gpu");
  assert.equal(compare(115, 100), "cpu");
});

Deno.test("compareDevices() says what it takes, and what both would need", () => {
  const work = { flops: 1e9, calls: 100, product: { M: 1, K: 1, N: 1 } };
  const names = { cpu: "EPYC", gpu: "gpu:0" };
  // 1 GFLOP at 250 GFLOP/s, and 100 calls of 10 us; then at 1250, and of 99.
  const few = { gflops: 250, callUs: 10 }, many = { gflops: 1250, callUs: 99 };
  assert.deepEqual(compareDevices(work, { cpu: few, gpu: many }, names), {
    faster: "cpu",
    note: "Device auto takes the CPU for this small model: EPYC about 5.0 ms " +
      "a micro-step, gpu:0 about 11 ms",
  });
  assert.deepEqual(compareDevices(work, { cpu: many, gpu: few }, names), {
    faster: "gpu",
    note: "Device auto takes the GPU for this small model: gpu:0 about 5.0 " +
      "ms a micro-step, EPYC about 11 ms",
  });
});
