/**
 * How fast matrix products run here, in a blink: for `devices` and `doctor`.
 *
 * @module
 */

import { Graph } from "../../graph/graph.ts";
import { plan } from "../../graph/plan.ts";
import type { Backend } from "../backend.ts";

/** Side of the square matrices: all three fit the caches of any CPU. */
const SIDE = 512;
/** After some products the compiler's fast code is in place. */
const WARM_UP = 3;
const RUNS = 5;

/** GFLOP/s of the best of a few fp32 products of 512 x 512 matrices. */
export async function measureGflops(backend: Backend): Promise<number> {
  const g = new Graph();
  const [a, b] = [g.state("a", [SIDE, SIDE]), g.state("b", [SIDE, SIDE])];
  g.matmul(a, b, { out: g.state("out", [SIDE, SIDE]) });
  const executable = await backend.compile(plan({ multiply: g }));
  let bestMs = Infinity;
  for (let i = 0; i < WARM_UP + RUNS; i++) {
    const start = performance.now();
    await executable.run("multiply");
    if (i >= WARM_UP) bestMs = Math.min(bestMs, performance.now() - start);
  }
  await executable.dispose();
  return 2 * SIDE ** 3 / bestMs / 1e6;
}
