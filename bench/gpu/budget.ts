/**
 * What a step asks of a GPU, by kind of kernel: dispatches, operations, bytes
 * moved, and the time they take at least. No device is needed for it.
 *
 * A dispatch reads each of its tensors once and writes each result once. What
 * it reads again because a cache was too small is not counted.
 *
 * @module
 */

import { chooseAttention } from "../../src/backend/webgpu/choice/attention_choice.ts";
import type { AdapterInfo } from "../../src/backend/webgpu/device/adapters.ts";
import {
  bytesPerNumber,
  type Dispatch,
  type StoredPrecision,
} from "../../src/backend/webgpu/dispatch.ts";
import { chooseGemm } from "../../src/backend/webgpu/choice/gemm_choice.ts";
import { splitByWork } from "../../src/backend/webgpu/loading/load_program.ts";
import { planMemory } from "../../src/backend/webgpu/loading/memory_plan.ts";
import {
  countBarriers,
  cutPasses,
} from "../../src/backend/webgpu/loading/passes.ts";
import {
  lower,
  type LoweredProgram,
} from "../../src/backend/webgpu/lowering/lower.ts";
import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";

/** What a device reaches at best. */
export interface DevicePeaks {
  readonly tflops: number;
  readonly gbPerSec: number;
}

/** Some dispatches. */
export interface Budget {
  readonly dispatches: number;
  readonly flops: number;
  readonly bytes: number;
  /** At the peaks: of each dispatch, by what takes it longer. */
  readonly idealMs: number;
}

/** Of workgroups, as most GPUs have them. */
const LIMITS = {
  maxComputeWorkgroupStorageSize: 2 ** 15,
  maxComputeInvocationsPerWorkgroup: 1024,
};

/** Phases of a step without gradient accumulation. */
export const STEP_PHASES = ["firstMicroStep", "update"] as const;

/** What an adapter is given to do. */
export interface StepOptions {
  readonly adapter: Pick<AdapterInfo, "isSoftware" | "vendor">;
  readonly precision: StoredPrecision;
  readonly fuse: boolean;
  /** Whether dispatches may run side by side; absent is true. */
  readonly overlap?: boolean;
}

/** The dispatches of a step as an adapter of that kind gets them. */
export function stepDispatches(
  bench: BenchModel,
  options: StepOptions,
): Dispatch[] {
  const { phases } = lowerStep(bench, options);
  return STEP_PHASES.flatMap((phase) => phases.get(phase)!);
}

/** How many dispatches of a step wait for all before them. */
export function stepWaits(bench: BenchModel, options: StepOptions): number {
  const lowered = lowerStep(bench, options);
  const plan = planMemory(lowered, MEMORY);
  const { overlap = true } = options;
  return STEP_PHASES.flatMap((phase) => splitByWork(lowered.phases.get(phase)!))
    .reduce((sum, part) => {
      const passes = overlap ? cutPasses(part, plan) : [part];
      return sum + countBarriers(passes, plan);
    }, 0);
}

/** As much as fits a binding; the least alignment that every adapter allows. */
const MEMORY = { alignment: 256, maxBufferBytes: 2 ** 31 - 4 };

function lowerStep(
  { model, config }: BenchModel,
  { adapter, precision, fuse, overlap }: StepOptions,
): LoweredProgram {
  const train = { ...config.train, gradAccumSteps: 1 };
  return lower(buildStepProgram(model, train), {
    ...{ maxBindingBytes: MEMORY.maxBufferBytes, maxBindings: 16 },
    workgroupBytes: LIMITS.maxComputeWorkgroupStorageSize,
    gemmVariant: (shape) => chooseGemm(shape, adapter),
    attention: (call) => chooseAttention(call, { ...adapter, limits: LIMITS }),
    ...{ precision, fuse, overlap },
  });
}

/** Adds up dispatches by their op. */
export function budgetByOp(
  dispatches: readonly Dispatch[],
  peaks: DevicePeaks,
): Map<string, Budget> {
  const byOp = new Map<string, Budget>();
  for (const dispatch of dispatches) {
    const { label, flops = 0 } = dispatch;
    const bytes = bytesMoved(dispatch);
    const sum = byOp.get(label) ??
      { dispatches: 0, flops: 0, bytes: 0, idealMs: 0 };
    byOp.set(label, {
      dispatches: sum.dispatches + 1,
      flops: sum.flops + flops,
      bytes: sum.bytes + bytes,
      idealMs: sum.idealMs + Math.max(
        flops / peaks.tflops / 1e9,
        bytes / peaks.gbPerSec / 1e6,
      ),
    });
  }
  return byOp;
}

/** Bytes read and written; a tensor that is changed in place is both. */
function bytesMoved({ bindings }: Dispatch): number {
  return bindings.reduce((sum, { tensor, written, name }) => {
    const bytes = tensor.length * bytesPerNumber(tensor.dtype);
    // A result in the place of an input goes by the input's name.
    return sum + (written && !RESULTS.test(name) ? 2 : 1) * bytes;
  }, 0);
}

/** Names of what is written and not read before. */
const RESULTS =
  /^(out\d*|dropped|dQkv|slopes|rowDots|lse|kept|result|mean|rstd|loss)$/;
