/**
 * How fast variants of a matrix product are on a device: for the choice among
 * them, and for `hearth bench gemm`.
 *
 * @module
 */

import { Graph } from "../../graph/graph.ts";
import { plan } from "../../graph/plan.ts";
import type { Program } from "../../graph/program.ts";
import type { Executable } from "../backend.ts";
import type { GemmShape, GemmVariant } from "./gemm_variant.ts";
import type { ChooseGemm } from "./lower.ts";
import type { GemmTrial } from "./tune_gemm.ts";

/** A device that products can be timed on. */
interface GemmDevice {
  compile(
    program: Program,
    options: { gemmVariant: ChooseGemm },
  ): Promise<Executable>;
}

/** Operations of one submission, so that recording it is not what is timed. */
const SUBMIT_FLOPS = 2e10;
/** Of one that a device of unknown speed is tried by. */
const TRIAL_FLOPS = 1e9;
/** A trial that took so long is not repeated. */
const SLOW_MS = 500;
const MOST_IN_A_ROW = 32;
/** Most submissions between two answers. */
const MOST_RUNS = 1 << 10;

/**
 * Runs a variant twice, unless that takes long, and times the last run. A look
 * before {@linkcode timeGemm}, at a device that nothing is known of.
 *
 * @param options As those of `timeGemm`.
 */
export async function tryGemm(
  device: GemmDevice,
  shape: GemmShape,
  { variant, rounds, roundMs }: {
    variant: GemmVariant;
    rounds: number;
    roundMs: number;
  },
): Promise<GemmTrial> {
  const { executable, inARow, firstMs, timedProducts } = await prepareProducts(
    device,
    shape,
    { variants: [variant], submitFlops: TRIAL_FLOPS },
  );
  try {
    const isSlow = firstMs[0] > SLOW_MS;
    const ms = (isSlow ? firstMs[0] : await timedProducts(0, 1)) / inARow;
    const runMs = ms * productsInARow(shape, SUBMIT_FLOPS);
    const timingMs = 2 * runMs + rounds * Math.max(roundMs, runMs);
    return { ms, timingMs };
  } finally {
    await executable.dispose();
  }
}

/**
 * Milliseconds of one product by each variant, in each round; all variants
 * take turns, as a device gets warm and others use it.
 *
 * @param options.roundMs How long each variant is timed in a round, at least;
 * runs before them do not count.
 * @param options.limitMs No round begins later than that; the first one does.
 */
export async function timeGemm(
  device: GemmDevice,
  shape: GemmShape,
  { variants, rounds, roundMs, limitMs = Infinity }: {
    variants: readonly GemmVariant[];
    rounds: number;
    roundMs: number;
    limitMs?: number;
  },
): Promise<number[][]> {
  const start = performance.now();
  const { executable, inARow, timedProducts } = await prepareProducts(
    device,
    shape,
    { variants, submitFlops: SUBMIT_FLOPS },
  );
  try {
    const runs: number[] = [], times = variants.map((): number[] => []);
    for (const i of variants.keys()) {
      const once = await timedProducts(i, 1);
      const wanted = Math.min(MOST_RUNS, Math.ceil(roundMs / once));
      runs[i] = Math.max(1, wanted);
    }
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && performance.now() - start > limitMs) break;
      for (const i of variants.keys()) {
        times[i].push(await timedProducts(i, runs[i]) / inARow);
      }
    }
    return times;
  } finally {
    await executable.dispose();
  }
}

/** Compiles variants and runs each once; the caller disposes of them. */
async function prepareProducts(
  device: GemmDevice,
  shape: GemmShape,
  { variants, submitFlops }: {
    variants: readonly GemmVariant[];
    submitFlops: number;
  },
) {
  const { M, N, K, transA, transB } = shape;
  const inARow = productsInARow(shape, submitFlops);
  const graphs = variants.map((): Graph => {
    const g = new Graph();
    const a = g.state("a", transA ? [K, M] : [M, K]);
    const b = g.state("b", transB ? [N, K] : [K, N]);
    const out = g.state("out", [M, N]);
    for (let i = 0; i < inARow; i++) g.matmul(a, b, { transA, transB, out });
    return g;
  });
  const answer = new Graph();
  const sum = answer.state("sum", [1]);
  answer.sumSquares(answer.state("one", [1]), { out: sum });
  const executable = await device.compile(
    plan({ ...Object.fromEntries(Object.entries(graphs)), answer }),
    { gemmVariant: (_, phase) => variants[Number(phase)] },
  );
  try {
    // Zeros would be multiplied with less power, and so at higher clocks.
    executable.write("a", noise(M * K));
    executable.write("b", noise(K * N));
    const timed = async (phase: string, runs: number) => {
      const start = performance.now();
      for (let i = 0; i < runs; i++) await executable.run(phase);
      await executable.read("sum");
      return performance.now() - start;
    };
    await timed("answer", 1);
    const answerMs = Math.min(
      ...[await timed("answer", 0), await timed("answer", 0)],
    );
    const firstMs: number[] = []; // a driver may compile at the first use
    for (const i of variants.keys()) firstMs.push(await timed(`${i}`, 1));
    /** Milliseconds of a run of variant i. */
    const timedProducts = async (i: number, runs: number) =>
      Math.max(await timed(`${i}`, runs) - answerMs, 1e-3) / runs;
    return { executable, inARow, firstMs, timedProducts };
  } catch (error) {
    await executable.dispose();
    throw error;
  }
}

/** Products of one submission. */
function productsInARow({ M, N, K }: GemmShape, submitFlops: number): number {
  const fitting = Math.floor(submitFlops / (2 * M * N * K));
  return Math.max(1, Math.min(MOST_IN_A_ROW, fitting));
}

/** Numbers from -1 to 1 that look random enough; they repeat. */
function noise(length: number): Float32Array {
  const numbers = new Float32Array(length);
  const some = Math.min(length, 1 << 16);
  for (let i = 0, bits = 1; i < some; i++) {
    bits = Math.imul(bits, 1664525) + 1013904223;
    numbers[i] = (bits | 0) / 2 ** 31;
  }
  for (let at = some; at < length; at *= 2) numbers.copyWithin(at, 0, at);
  return numbers;
}
