/**
 * Whether the CPU would train a small model faster than the GPU; pure.
 *
 * A GPU pays some microseconds for every kernel, whatever there is to compute,
 * so a model of a few hundred thousand parameters can be faster on a CPU with
 * wide vectors. Above a size that no CPU does quickly this is not asked; below
 * it both are timed with a product of the model's own shape.
 *
 * @module
 */

import type { DeviceSpeed, ProductShape } from "./measure.ts";

/** The work of a micro-step, as far as it decides about its time. */
export interface StepWork {
  /** Multiplications and additions, forward and backward. */
  readonly flops: number;
  /** Kernel calls. */
  readonly calls: number;
  /** The product that most of the time goes into. */
  readonly product: ProductShape;
}

/** What a model and its batch make of a micro-step. */
export interface StepShape {
  /** Sequences, tokens per sequence, channels, layers. */
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly L: number;
  readonly parameterCount: number;
}

/**
 * Micro-steps above this are never faster on a CPU: 100 GFLOP take a CPU of
 * 64 cores with AVX-512 about 0.05 s, a GPU of a few TFLOP/s about the same.
 */
const PROBE_BELOW_FLOPS = 1e11;
/** Forward 2 per parameter and token, backward 4; see arXiv:2001.08361. */
const FLOPS_PER_PARAMETER = 6;
/** Of scores and weighted values: 2 products of T x C, forward and backward. */
const ATTENTION_FLOPS = 12;
/** Calls per layer and around them: counted in gpt2, update included. */
const CALLS_PER_LAYER = 50;
const CALLS_BESIDES = 25;

/** The work of a micro-step of such a model, roughly. */
export function estimateWork(shape: StepShape): StepWork {
  const { B, T, C, L, parameterCount } = shape;
  const tokens = B * T;
  return {
    flops: tokens *
      (FLOPS_PER_PARAMETER * parameterCount + ATTENTION_FLOPS * L * T * C),
    calls: CALLS_PER_LAYER * L + CALLS_BESIDES,
    product: { M: tokens, K: C, N: 4 * C }, // the feed-forward layer's first
  };
}

/** Whether the work is so small that timing both devices is worth it. */
export function isSmallWork({ flops }: StepWork): boolean {
  return flops < PROBE_BELOW_FLOPS;
}

/** Milliseconds that a device of that speed needs, roughly. */
export function estimateMs(
  { flops, calls }: Pick<StepWork, "flops" | "calls">,
  { gflops, callUs }: DeviceSpeed,
): number {
  return flops / (gflops * 1e6) + calls * callUs / 1000;
}

/** Which of two devices is faster, and the line that says so. */
export function compareDevices(
  work: StepWork,
  speeds: { cpu: DeviceSpeed; gpu: DeviceSpeed },
  names: { cpu: string; gpu: string },
): { faster: "cpu" | "gpu"; note: string } {
  const ms = {
    cpu: estimateMs(work, speeds.cpu),
    gpu: estimateMs(work, speeds.gpu),
  };
  // Nearly equal: leave the CPU to the person at the keyboard.
  const faster = ms.cpu < 0.9 * ms.gpu ? "cpu" : "gpu";
  const other = faster === "cpu" ? "gpu" : "cpu";
  const says = (device: "cpu" | "gpu") =>
    `${names[device]} about ${ms[device].toFixed(ms[device] < 10 ? 1 : 0)} ms`;
  return {
    faster,
    note: `Device auto takes ${faster === "cpu" ? "the CPU" : "the GPU"} for ` +
      `this small model: ${says(faster)} a micro-step, ${says(other)}`,
  };
}
