/**
 * A training step of one model in one precision: whole steps, then each kind
 * of kernel beside what the device would take for it at its best.
 *
 * @module
 */

import type { FoundAdapter } from "../../src/backend/webgpu/device/adapters.ts";
import type { StoredPrecision } from "../../src/backend/webgpu/dispatch.ts";
import type { DispatchTime } from "../../src/backend/webgpu/executable.ts";
import type { TuningCache } from "../../src/backend/webgpu/tuning/tuning_cache.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
} from "../../src/backend/webgpu/webgpu_backend.ts";
import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import {
  perStep,
  spreadPct,
  summarize,
  type Timing,
} from "../../src/cli/bench/timing.ts";
import { openTrialStep } from "../../src/train/trial_step.ts";
import { budgetByOp, type DevicePeaks, STEP_PHASES } from "./budget.ts";

/** What is measured. */
export interface StepCase {
  readonly bench: BenchModel;
  readonly precision: StoredPrecision;
  readonly fuse: boolean;
  /** Whether dispatches may run side by side. */
  readonly overlap: boolean;
  /** Whether every kernel is timed as well. */
  readonly byOp: boolean;
}

/** All dispatches of an op in a step. */
export interface OpTime {
  readonly op: string;
  readonly dispatches: number;
  /** Each many times in a row. */
  readonly ms: number;
  /** Where they stand in the step, by the device's clock; null without one. */
  readonly inOrderMs: number | null;
  readonly idealMs: number;
  readonly gflop: number;
  readonly megabytes: number;
}

/** One dispatch of a step, in the order of work. */
export interface KernelTime {
  readonly op: string;
  readonly workgroups: readonly number[];
  /** Many times in a row. */
  readonly ms: number;
  /** Where it stands in the step; null without a clock. */
  readonly inOrderMs: number | null;
  readonly gflop: number;
  readonly megabytes: number;
}

/** What came out. */
export interface StepFigures {
  readonly model: string;
  readonly precision: StoredPrecision;
  readonly fuse: boolean;
  readonly overlap: boolean;
  readonly tokensPerSec: number;
  readonly msPerStep: number;
  readonly spreadPct: number;
  /** Seconds until the first step: tuning, and compiling shaders. */
  readonly readySec: number;
  readonly dispatches: number;
  readonly memoryBytes: number;
  /** At the peaks of the device. */
  readonly idealMs: number;
  /** Longest first; empty unless asked for. */
  readonly ops: readonly OpTime[];
  /** All that `ops` sums up. */
  readonly kernels: readonly KernelTime[];
}

/** A dispatch is timed so often where it stands. */
const IN_ORDER_RUNS = 5;
/** Profiles of many in a row. */
const RUNS = 2;
/** Runs that count; each is of many steps, as a device is left alone for. */
const LEAST_RUNS = 3;

/** Measures a case. @throws {UserError} If it does not fit the device. */
export async function measureStep(
  adapter: FoundAdapter,
  { bench, precision, fuse, overlap, byOp }: StepCase,
  { peaks, seconds, tuningCache }: {
    peaks: DevicePeaks;
    seconds: number;
    tuningCache: TuningCache;
  },
): Promise<StepFigures> {
  const backend = await openWebGpuBackend(adapter, {
    ...{ precision, fuse, overlap, tuningCache },
  });
  try {
    return await measureOn(backend, { bench, precision, fuse, overlap, byOp }, {
      ...{ peaks, seconds },
    });
  } finally {
    await backend.dispose();
  }
}

/** One that does not count, then for `seconds`. */
async function timeRuns(
  run: () => Promise<void>,
  seconds: number,
): Promise<Timing> {
  await run();
  const times: number[] = [];
  for (let total = 0; times.length < LEAST_RUNS || total < 1000 * seconds;) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    total += times.at(-1)!;
  }
  return summarize(times);
}

async function measureOn(
  backend: WebGpuBackend,
  { bench, precision, fuse, overlap, byOp }: StepCase,
  { peaks, seconds }: { peaks: DevicePeaks; seconds: number },
): Promise<StepFigures> {
  const started = performance.now();
  const opened = await openTrialStep(backend, bench);
  const { executable, tokens, steps, run } = opened;
  const readySec = (performance.now() - started) / 1000;
  const timing = perStep(await timeRuns(run, seconds), steps);
  const dispatches = STEP_PHASES.flatMap((phase) =>
    executable.dispatches(phase)
  );
  const budget = budgetByOp(dispatches, peaks);
  const sum = (of: (op: { idealMs: number; dispatches: number }) => number) =>
    [...budget.values()].reduce((all, op) => all + of(op), 0);
  const ops: OpTime[] = [];
  const kernels: KernelTime[] = [];
  if (byOp) {
    const times: DispatchTime[] = [];
    const inOrder: (DispatchTime | null)[] = [];
    for (const phase of STEP_PHASES) {
      const some = await executable.profile(phase, RUNS);
      const ordered = await executable.profileInOrder(phase, IN_ORDER_RUNS);
      times.push(...some);
      inOrder.push(...ordered ?? some.map(() => null));
    }
    kernels.push(...times.map(({ op, workgroups, ms, flops, bytes }, i) => ({
      ...{ op, workgroups, ms, inOrderMs: inOrder[i]?.ms ?? null },
      ...{ gflop: flops / 1e9, megabytes: bytes / 1e6 },
    })));
    const hasClock = inOrder.every((one) => one !== null);
    for (const [op, { dispatches, flops, bytes, idealMs }] of budget) {
      const of = (list: readonly (DispatchTime | null)[]) =>
        list.reduce((all, one) => all + (one?.op === op ? one.ms : 0), 0);
      ops.push({
        ...{ op, dispatches, idealMs },
        ms: of(times),
        inOrderMs: hasClock ? of(inOrder) : null,
        gflop: flops / 1e9,
        megabytes: bytes / 1e6,
      });
    }
    ops.sort((a, b) => b.ms - a.ms);
  }
  const figures: StepFigures = {
    model: bench.profile,
    ...{ precision, fuse, overlap },
    tokensPerSec: tokens / timing.medianMs * 1000,
    msPerStep: timing.medianMs,
    spreadPct: spreadPct(timing),
    readySec,
    dispatches: dispatches.length,
    memoryBytes: executable.sizeBytes,
    idealMs: sum((op) => op.idealMs),
    ...{ ops, kernels },
  };
  await executable.dispose();
  return figures;
}
