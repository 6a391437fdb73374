/**
 * `hearth bench ops`: where the time of a training step goes, op by op.
 *
 * On a GPU a call is a dispatch, of which an op may take several, and its time
 * the shortest of several times many in a row. The time of a call is the median
 * of several runs and includes the wait for the slowest thread, which is shown
 * apart as well. GB/s counts each tensor of a call once.
 *
 * @module
 */

import type { CallTime, CpuBackend } from "../../backend/cpu/cpu_backend.ts";
import type { WebGpuBackend } from "../../backend/webgpu/webgpu_backend.ts";
import type { AnyCall } from "../../graph/ops.ts";
import type { PlacedTensor } from "../../graph/program.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { openTrialStep } from "../../train/trial_step.ts";
import { formatTable } from "../output/table.ts";
import type { BenchModel } from "./bench_model.ts";
import { measure, perStep, summarize, type Timing } from "./timing.ts";

/** All calls of an op in a step, or one call. */
export interface OpFigures {
  readonly op: string;
  readonly calls: number;
  readonly ms: number;
  /** Part of the time of all calls. */
  readonly sharePct: number;
  /** Part of `ms` that a thread waits for the slowest one, on average. */
  readonly waitPct: number;
  /** Null for ops that move memory rather than multiply. */
  readonly gflops: number | null;
  readonly gbPerSec: number;
  /** Sizes, of a single call. */
  readonly attrs?: Readonly<Record<string, number>>;
}

/** What came out. */
export interface OpsFigures {
  readonly tokensPerSec: number;
  readonly msPerStep: number;
  readonly step: Timing;
  /** What threads wait for each other at the ends of calls, on average. */
  readonly waitMsPerStep: number;
  /** Slowest first. */
  readonly ops: readonly OpFigures[];
  /** In the order of the step. */
  readonly calls: readonly OpFigures[];
}

/** Profiles that take a second, but no fewer than 3 and no more than 20. */
const [MIN_RUNS, MAX_RUNS] = [3, 20];

/** A step on a GPU is timed that often with a clock around every call. */
const GPU_RUNS = 3;

/** Whole steps without a clock inside, then with one around every call. */
export async function benchOps(
  backend: CpuBackend | WebGpuBackend,
  bench: BenchModel,
  { seconds }: { seconds: number },
): Promise<OpsFigures> {
  return "gemmCandidates" in backend
    ? await benchGpuOps(backend, bench, seconds)
    : await benchCpuOps(backend, bench, seconds);
}

async function benchGpuOps(
  backend: WebGpuBackend,
  bench: BenchModel,
  seconds: number,
): Promise<OpsFigures> {
  const { executable, tokens, steps, run } = await openTrialStep(
    backend,
    bench,
  );
  const step = perStep(await measure(run, { seconds }), steps);
  const work: Work[] = [];
  for (const phase of ["firstMicroStep", "update"]) {
    for (const time of await executable.profile(phase, GPU_RUNS)) {
      const [x, y, z] = time.workgroups;
      work.push({ ...time, waitMs: 0, calls: 1, attrs: { x, y, z } });
    }
  }
  await executable.dispose();
  return inAll(work, { step, tokens });
}

async function benchCpuOps(
  backend: CpuBackend,
  bench: BenchModel,
  seconds: number,
): Promise<OpsFigures> {
  const opened = await openTrialStep(backend, bench);
  const { executable, program, tokens } = opened;
  const step = await measure(opened.run, { seconds });
  const fits = Math.round(seconds * 1000 / step.medianMs);
  const runs = Math.max(MIN_RUNS, Math.min(MAX_RUNS, fits));
  const work: Work[] = [];
  for (const phase of ["firstMicroStep", "update"]) {
    // One at a time: the shortest of several is that of a run in which the
    // thread with the clock was late and the others had done its part.
    const times: CallTime[][] = [];
    while (times.length < runs) times.push(await executable.profile(phase, 1));
    program.phases[phase].forEach((call, i) => {
      const { op, attrs } = times[0][i];
      const median = (of: (time: CallTime) => number) =>
        summarize(times.map((run) => of(run[i]))).medianMs;
      const ms = median((t) => t.ms);
      const waitMs = Math.min(ms, median((t) => t.waitMs));
      const [flops, bytes] = [flopsOf(call), bytesOf(call)];
      work.push({ op, ms, waitMs, attrs, flops, bytes, calls: 1 });
    });
  }
  await executable.dispose();
  return inAll(work, { step, tokens });
}

/** Adds up the calls of each op. */
function inAll(
  work: readonly Work[],
  { step, tokens }: { step: Timing; tokens: number },
): OpsFigures {
  const totalMs = work.reduce((sum, { ms }) => sum + ms, 0);
  const byOp = Map.groupBy(work, ({ op }) => op);
  return {
    tokensPerSec: tokens / step.medianMs * 1000,
    msPerStep: step.medianMs,
    step,
    waitMsPerStep: work.reduce((sum, { waitMs }) => sum + waitMs, 0),
    ops: [...byOp.values()].map((calls) => rated(sum(calls), totalMs))
      .sort((a, b) => b.ms - a.ms),
    calls: work.map((call) => ({ ...rated(call, totalMs), attrs: call.attrs })),
  };
}

/** The figures for people; pure. @param options.calls Every call as well. */
export function formatOps(
  { ops, calls }: OpsFigures,
  options: { calls: boolean },
): string {
  const columns = [
    ["op", "left"],
    ["calls", "right"],
    ["ms", "right"],
    ["share", "right"],
    ["waits", "right"],
    ["GFLOP/s", "right"],
    ["GB/s", "right"],
  ] as const;
  const row = (one: OpFigures) => [
    one.op,
    `${one.calls}`,
    one.ms.toFixed(3),
    `${one.sharePct.toFixed(1)} %`,
    `${one.waitPct.toFixed(1)} %`,
    one.gflops?.toFixed(1) ?? "",
    one.gbPerSec.toFixed(1),
  ];
  const table = formatTable(columns, ops.map(row));
  if (!options.calls) return table;
  const list = formatTable(
    [...columns, ["sizes", "left"]],
    calls.map((one) => [
      ...row(one),
      Object.entries(one.attrs ?? {}).map(([k, v]) => `${k}=${v}`).join(" "),
    ]),
  );
  return `${list}\n\n${table}`;
}

interface Work {
  op: string;
  calls: number;
  ms: number;
  waitMs: number;
  flops: number;
  bytes: number;
  attrs?: Readonly<Record<string, number>>;
}

function sum(calls: readonly Work[]): Work {
  const nothing = { calls: 0, ms: 0, waitMs: 0, flops: 0, bytes: 0 };
  const total: Work = { op: calls[0].op, ...nothing };
  for (const call of calls) {
    for (const key of ["calls", "ms", "waitMs", "flops", "bytes"] as const) {
      total[key] += call[key];
    }
  }
  return total;
}

function rated(
  { op, calls, ms, waitMs, flops, bytes }: Work,
  totalMs: number,
) {
  return {
    op,
    calls,
    ms,
    sharePct: 100 * ms / totalMs,
    waitPct: 100 * waitMs / ms,
    gflops: flops > 0 ? flops / ms / 1e6 : null,
    gbPerSec: bytes / ms / 1e6,
  };
}

/** Multiplications and additions of the compute-bound ops; others 0. */
function flopsOf({ op, attrs }: AnyCall<PlacedTensor>): number {
  if (op === "matmul") return 2 * attrs.M * attrs.N * attrs.K;
  // Two products forward, five backward, over half of T x T.
  if (op === "attention" || op === "attentionBackward") {
    const { B, T, H, D } = attrs;
    return (op === "attention" ? 2 : 5) * B * H * T * T * D;
  }
  return 0;
}

/** Bytes of all tensors of a call. */
function bytesOf(call: AnyCall<PlacedTensor>): number {
  const tensors: (PlacedTensor | undefined)[] = [
    ...Object.values(call.in),
    ...Object.values(call.out),
  ];
  return tensors.reduce((sum, t) => sum + (t ? 4 * sizeOf(t.shape) : 0), 0);
}
