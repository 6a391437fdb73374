/**
 * What a step asks of an NVIDIA H200, without one.
 *
 * @module
 */

import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import { formatTable } from "../../src/cli/output/table.ts";
import {
  type Budget,
  budgetByOp,
  stepDispatches,
  stepWaits,
} from "./budget.ts";

/** What was measured there: in products at best, and of its memory. */
const H200 = { tflops: 38, gbPerSec: 4800 };

/**
 * A line for each op, and their sum: as fused, and every op by itself. Then how
 * many dispatches wait for those before, with and without any side by side.
 */
export function countStep(bench: BenchModel): string {
  const adapter = { isSoftware: false, vendor: "nvidia" } as const;
  const options = { adapter, precision: "fp32" } as const;
  const budget = (fuse: boolean) =>
    budgetByOp(stepDispatches(bench, { ...options, fuse }), H200);
  const waits = (overlap: boolean) =>
    stepWaits(bench, { ...options, fuse: true, overlap });
  const fused = budget(true), apart = budget(false);
  const ops = [...new Set([...apart.keys(), ...fused.keys()])];
  const zero: Budget = { dispatches: 0, flops: 0, bytes: 0, idealMs: 0 };
  const lines = ops.map((op): [string, Budget, Budget] => [
    op,
    apart.get(op) ?? zero,
    fused.get(op) ?? zero,
  ]);
  const all = (side: 1 | 2): Budget =>
    lines.reduce((sum, line) => ({
      dispatches: sum.dispatches + line[side].dispatches,
      flops: sum.flops + line[side].flops,
      bytes: sum.bytes + line[side].bytes,
      idealMs: sum.idealMs + line[side].idealMs,
    }), zero);
  const cells = ({ dispatches, flops, bytes, idealMs }: Budget) => [
    `${dispatches}`,
    (flops / 1e9).toFixed(1),
    (bytes / 1e6).toFixed(0),
    idealMs.toFixed(3),
  ];
  const columns = (title: string) =>
    [title, "GFLOP", "MB", "ms"].map((name) => [name, "right"] as const);
  const table = formatTable(
    [["op", "left"], ...columns("apart"), ...columns("fused")],
    [...lines, ["all", all(1), all(2)] as const]
      .map(([op, apart, fused]) => [op, ...cells(apart), ...cells(fused)]),
  );
  return `${table}\nWaits for all before: ${waits(true)}; ` +
    `${waits(false)} without any side by side`;
}
