import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { programMemory } from "../../src/graph/program_memory.ts";

Deno.test("programMemory() adds up persistent and temporary memory", () => {
  const g = new Graph();
  const [a, b] = [g.state("a", [4, 16]), g.state("b", [16, 32])];
  const product = g.matmul(a, b); // 4 x 32 f32, the largest temporary
  g.sumSquares(product, { out: g.state("sum", [1]) });
  const { total, largest } = programMemory(plan({ only: g }));
  // a 256, b 2048, sum 64 (aligned); product 512, partial sums 64 (aligned).
  assert.equal(total, 256 + 2048 + 64 + 512 + 64);
  assert.equal(largest, 2048);
});
