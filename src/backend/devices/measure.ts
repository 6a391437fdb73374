/**
 * How fast a device is, in a blink: for `devices`, `doctor` and the choice of
 * `auto`.
 *
 * A device may answer late (a GPU in Deno after 10 ms), so many runs are timed
 * between two answers, and what an answer costs is taken off.
 *
 * @module
 */

import { Graph } from "../../graph/graph.ts";
import { plan } from "../../graph/plan.ts";
import type { Backend, Executable } from "../backend.ts";

/** Sizes of a matrix product (M, K) x (K, N). */
export interface ProductShape {
  /** Rows of the result. */
  M: number;
  /** Columns of the first factor, rows of the second. */
  K: number;
  /** Columns of the result. */
  N: number;
}

/** What a device does with the work of a micro-step. */
export interface DeviceSpeed {
  /** fp32 matrix products of the shape that was timed. */
  gflops: number;
  /** What every call costs, however little it computes. */
  callUs: number;
}

/** After some products a compiler's fast code is in place, and clocks are up. */
const WARM_UP = 3;
/** A round lasts this long at least, and some times the cost of an answer. */
const ROUND_MS = 2;
const ROUND_ANSWERS = 4;
/** Where a run takes less than a clock can tell. */
const MOST_RUNS = 1 << 12;
/** The best round of this time is taken: other programs only slow one down. */
const TIMED_MS = 120;
/** Calls of a phase that has next to nothing to compute. */
const TINY_CALLS = 32;

/** Of fp32 products of that shape, and of calls. @param now In milliseconds. */
export async function measureSpeed(
  backend: Backend,
  { M, K, N }: ProductShape,
  now: () => number = () => performance.now(),
): Promise<DeviceSpeed> {
  const multiply = new Graph();
  const [a, b] = [multiply.state("a", [M, K]), multiply.state("b", [K, N])];
  multiply.matmul(a, b, { out: multiply.state("out", [M, N]) });
  const tiny = new Graph();
  const [one, sum] = [tiny.state("one", [1]), tiny.state("sum", [1])];
  for (let i = 0; i < TINY_CALLS; i++) {
    tiny.sumSquares(one, { out: sum, addTo: sum });
  }
  const executable = await backend.compile(plan({ multiply, tiny }));
  try {
    const answerMs = await timeRuns(executable, { phase: null, runs: 1, now });
    const timed = async (phase: string) =>
      await timePhase(executable, { phase, answerMs, now });
    const multiplyMs = await timed("multiply");
    const callUs = 1000 * await timed("tiny") / TINY_CALLS;
    return { gflops: 2 * M * K * N / multiplyMs / 1e6, callUs };
  } finally {
    await executable.dispose();
  }
}

/** Milliseconds of one run of a phase: the best of some rounds of many. */
async function timePhase(
  executable: Executable,
  { phase, answerMs, now }: {
    phase: string;
    answerMs: number;
    now: () => number;
  },
): Promise<number> {
  await timeRuns(executable, { phase, runs: WARM_UP, now });
  const roundMs = Math.max(ROUND_MS, ROUND_ANSWERS * answerMs);
  const timed = (runs: number) => timeRuns(executable, { phase, runs, now });
  let runs = 1, ms = await timed(runs);
  while (ms - answerMs < roundMs && runs < MOST_RUNS) {
    runs *= 2;
    ms = await timed(runs);
  }
  let best = ms;
  for (let spentMs = ms; spentMs < TIMED_MS; spentMs += ms) {
    ms = await timed(runs);
    best = Math.min(best, ms);
  }
  return Math.max(best - answerMs, Number.EPSILON) / runs;
}

/** Runs a phase and waits for the device to answer. */
async function timeRuns(
  executable: Executable,
  { phase, runs, now }: {
    phase: string | null;
    runs: number;
    now: () => number;
  },
): Promise<number> {
  await executable.read("sum"); // nothing is under way
  const startMs = now();
  for (let i = 0; phase !== null && i < runs; i++) await executable.run(phase);
  await executable.read("sum");
  return now() - startMs;
}
