/**
 * How fast the kernels of a site are on a device: for the choice among them,
 * and for `hearth bench gemm`.
 *
 * @module
 */

import { encodeFloats } from "../../../base/float_formats.ts";
import { Graph } from "../../../graph/graph.ts";
import { plan } from "../../../graph/plan.ts";
import type { Program } from "../../../graph/program.ts";
import { sizeOf } from "../../../graph/tensor.ts";
import type { Executable } from "../../backend.ts";
import type { AttentionChoice } from "../attention/attention_tile.ts";
import { storedLength, type TwoBytes } from "../dispatch.ts";
import type { GemmShape, GemmVariant } from "../gemm/gemm_variant.ts";
import type { ChooseAttention, ChooseGemm } from "../lowering/lower.ts";
import type { StoredTensors } from "../lowering/views.ts";
import type { KernelChoice } from "./kernel_choice.ts";
import { type KernelSite, recordSite, siteFlops } from "./kernel_sites.ts";
import type { KernelTrial } from "./tune_kernels.ts";

/** A device that kernels can be timed on. */
interface KernelDevice {
  compile(
    program: Program,
    options: {
      gemmVariant: ChooseGemm;
      attention: ChooseAttention;
      stored?: StoredTensors;
      copyFactors?: boolean;
    },
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
/** Larger tensors of one site are not worth the memory. */
const MOST_FILLED = 1 << 26;

/**
 * Runs a site one way twice, unless that takes long, and times the last run. A
 * look before {@linkcode timeKernels}, at a device that nothing is known of.
 *
 * @param options As those of `timeKernels`.
 */
export async function tryKernel(
  device: KernelDevice,
  site: KernelSite,
  { way, rounds, roundMs }: {
    way: KernelChoice;
    rounds: number;
    roundMs: number;
  },
): Promise<KernelTrial> {
  const { executable, inARow, firstMs, timedRuns } = await prepare(
    device,
    site,
    { ways: [way], submitFlops: TRIAL_FLOPS },
  );
  try {
    const isSlow = firstMs[0] > SLOW_MS;
    const ms = (isSlow ? firstMs[0] : await timedRuns(0, 1)) / inARow;
    const runMs = ms * timesInARow(site, SUBMIT_FLOPS);
    const timingMs = 2 * runMs + rounds * Math.max(roundMs, runMs);
    return { ms, timingMs };
  } finally {
    await executable.dispose();
  }
}

/**
 * Milliseconds of a product alone; see {@linkcode timeKernels}.
 *
 * @param options.factors How both are stored.
 */
export function timeGemm(
  device: KernelDevice,
  shape: GemmShape,
  { variants, factors, ...times }:
    & { variants: readonly GemmVariant[]; factors?: TwoBytes }
    & TimingOptions,
): Promise<number[][]> {
  const stored = factors && { a: factors, b: factors };
  const site = { kind: "matmul", shape, stored } as const;
  // What is asked for is the time of this product, not of copies as well.
  const copyFactors = false;
  return timeKernels(device, site, { ways: variants, copyFactors, ...times });
}

/** How long something is timed. */
export interface TimingOptions {
  readonly rounds: number;
  /**
   * How long each way is timed in a round, at least; runs before them do not
   * count.
   */
  readonly roundMs: number;
  /** No round begins later than that; the first one does. */
  readonly limitMs?: number;
  /** See `LowerOptions`. */
  readonly copyFactors?: boolean;
}

/**
 * Milliseconds of a site by each way, in each round; all ways take turns, as a
 * device gets warm and others use it.
 */
export async function timeKernels(
  device: KernelDevice,
  site: KernelSite,
  { ways, rounds, roundMs, limitMs = Infinity, copyFactors }:
    & { ways: readonly KernelChoice[] }
    & TimingOptions,
): Promise<number[][]> {
  const start = performance.now();
  const { executable, inARow, timedRuns } = await prepare(
    device,
    site,
    { ways, submitFlops: SUBMIT_FLOPS, copyFactors },
  );
  try {
    const runs: number[] = [], times = ways.map((): number[] => []);
    for (const i of ways.keys()) {
      const once = await timedRuns(i, 1);
      const wanted = Math.min(MOST_RUNS, Math.ceil(roundMs / once));
      runs[i] = Math.max(1, wanted);
    }
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && performance.now() - start > limitMs) break;
      for (const i of ways.keys()) {
        times[i].push(await timedRuns(i, runs[i]) / inARow);
      }
    }
    return times;
  } finally {
    await executable.dispose();
  }
}

/** Compiles ways, so that none of them waits for it later. */
export async function compileKernels(
  device: KernelDevice,
  site: KernelSite,
  ways: readonly KernelChoice[],
): Promise<void> {
  const { executable } = await compileWays(device, site, { ways, inARow: 1 });
  await executable.dispose();
}

/** A phase for each way, and one, `answer`, that makes `sum` of little. */
async function compileWays(
  device: KernelDevice,
  site: KernelSite,
  { ways, inARow, copyFactors = true }: {
    ways: readonly KernelChoice[];
    inARow: number;
    copyFactors?: boolean;
  },
): Promise<{ program: Program; executable: Executable }> {
  const graphs = ways.map((): Graph => {
    const g = new Graph();
    for (let i = 0; i < inARow; i++) recordSite(g, site);
    return g;
  });
  const answer = new Graph();
  const sum = answer.state("sum", [1]);
  answer.sumSquares(answer.state("one", [1]), { out: sum });
  const program = plan({
    ...Object.fromEntries(Object.entries(graphs)),
    answer,
  });
  // Each phase is one way, of the kind that its site takes.
  const executable = await device.compile(program, {
    gemmVariant: (_, phase) => ways[Number(phase)] as GemmVariant,
    attention: (_, phase) => ways[Number(phase)] as AttentionChoice,
    stored: site.stored,
    copyFactors,
  });
  return { program, executable };
}

/** Compiles all ways and runs each once; the caller disposes of them. */
async function prepare(
  device: KernelDevice,
  site: KernelSite,
  { ways, submitFlops, copyFactors }: {
    ways: readonly KernelChoice[];
    submitFlops: number;
    copyFactors?: boolean;
  },
) {
  const inARow = timesInARow(site, submitFlops);
  const { program, executable } = await compileWays(device, site, {
    ...{ ways, inARow, copyFactors },
  });
  try {
    // Zeros would be multiplied with less power, and so at higher clocks.
    for (const { name, dtype, shape } of program.persistent.values()) {
      const length = sizeOf(shape);
      const isFactor = ["a", "b", "qkv", "dOut"].includes(name);
      if (isFactor && dtype === "f32" && length <= MOST_FILLED) {
        const as = site.stored?.[name] ?? dtype;
        const length = storedLength(shape, as);
        executable.write(
          name,
          as === "bf16" || as === "f16" ? words(length, as) : noise(length),
        );
      }
    }
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
    for (const i of ways.keys()) firstMs.push(await timed(`${i}`, 1));
    /** Milliseconds of a run of way i. */
    const timedRuns = async (i: number, runs: number) =>
      Math.max(await timed(`${i}`, runs) - answerMs, 1e-3) / runs;
    return { executable, inARow, firstMs, timedRuns };
  } catch (error) {
    await executable.dispose();
    throw error;
  }
}

/** How often a site is computed in one submission. */
function timesInARow(site: KernelSite, submitFlops: number): number {
  const fitting = Math.floor(submitFlops / siteFlops(site));
  return Math.max(1, Math.min(MOST_IN_A_ROW, fitting));
}

/** Numbers from -1 to 1 that look random enough; they repeat. */
function noise(length: number): Float32Array {
  const some = new Float32Array(Math.min(length, 1 << 16));
  for (let i = 0, bits = 1; i < some.length; i++) {
    bits = Math.imul(bits, 1664525) + 1013904223;
    some[i] = (bits | 0) / 2 ** 31;
  }
  return repeated(some, new Float32Array(length));
}

/** The same of two bytes each, two to a word. */
function words(length: number, dtype: TwoBytes): Uint32Array {
  const some = encodeFloats(
    noise(Math.min(length, 1 << 16)),
    dtype === "f16" ? "F16" : "BF16",
  );
  return repeated(new Uint32Array(some.buffer), new Uint32Array(length / 2));
}

/** `all`, filled with `some` again and again. */
function repeated<T extends Float32Array | Uint32Array>(some: T, all: T): T {
  all.set(some);
  for (let at = some.length; at < all.length; at *= 2) {
    all.copyWithin(at, 0, at);
  }
  return all;
}
