/**
 * What a GPU reaches here: the fastest square product, and memory.
 *
 * @module
 */

import { splitByWaves } from "../../src/backend/webgpu/choice/gemm_waves.ts";
import { timeGemm } from "../../src/backend/webgpu/tuning/time_kernels.ts";
import type { WebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import type { DevicePeaks } from "./budget.ts";

/**
 * Measures both.
 *
 * @param options.side Of the product.
 * @param options.numbers How long the arrays are whose sum is taken: more than
 * a cache holds.
 */
export async function measurePeaks(
  backend: WebGpuBackend,
  { side, numbers }: { side: number; numbers: number },
): Promise<DevicePeaks> {
  const shape = {
    ...{ M: side, N: side, K: side, transA: false, transB: false },
  };
  // Compiling the large ones takes a CPU seconds.
  const candidates = backend.device.adapter?.isSoftware
    ? backend.gemmCandidates.filter(({ flow }) => flow === "direct")
    : backend.gemmCandidates;
  const variants = candidates.map((tile) => ({
    ...tile,
    splitK: splitByWaves(shape, tile),
  }));
  const { precision } = backend.device;
  // As activations are stored, which most factors are.
  const factors = precision && (precision === "bf16" ? "bf16" : "f16");
  const times = await timeGemm(backend, shape, {
    factors,
    ...{ variants, rounds: 2, roundMs: 10, limitMs: 8000 },
  });
  const ms = Math.min(...times.flat());
  const g = new Graph();
  const a = g.state("a", [numbers]), b = g.state("b", [numbers]);
  g.add(a, b, { out: g.state("sum", [numbers]) });
  const executable = await backend.compile(plan({ g }));
  try {
    const [{ ms: sumMs }] = await executable.profile("g", 5);
    return {
      tflops: 2 * side ** 3 / ms / 1e9,
      gbPerSec: 3 * 4 * numbers / sumMs / 1e6,
    };
  } finally {
    await executable.dispose();
  }
}
