/**
 * What other cuts of k would give: the largest products of a model by the best
 * tiles and several numbers of parts, beside what is chosen now.
 *
 * @module
 */

import {
  formatGemm,
  formatVariant,
  shapeKey,
} from "../../src/backend/webgpu/gemm_choice.ts";
import { timeGemm } from "../../src/backend/webgpu/time_gemm.ts";
import { programShapes } from "../../src/backend/webgpu/tune_gemm.ts";
import type { WebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";

/** A product as it is, and the best that was found. */
export interface SplitFigures {
  readonly shape: string;
  readonly chosen: string;
  readonly chosenTflops: number;
  readonly best: string;
  readonly bestTflops: number;
}

/** Numbers of parts that are tried. */
const PARTS = [1, 2, 3, 4, 6, 8, 12, 16];
/** Tiles that are tried beside the chosen one, where a GPU has them. */
const TILES = [
  "64x64x16 8x8 ahead block",
  "128x64x16 8x8 ahead block",
  "128x128x16 8x8 ahead block",
];
const MOST_SHAPES = 4;

/** Times the shapes with most work. */
export async function compareSplits(
  backend: WebGpuBackend,
  { model, config }: BenchModel,
): Promise<SplitFigures[]> {
  const train = { ...config.train, gradAccumSteps: 1 };
  const program = buildStepProgram(model, train);
  await backend.chooseKernels(program, { tune: config.tune });
  const { isSoftware } = backend.device.adapter!; // any that WebGPU has
  const others = backend.gemmCandidates.filter((tile) =>
    !isSoftware && TILES.includes(formatGemm(tile))
  );
  const figures: SplitFigures[] = [];
  for (const shape of programShapes(program).slice(0, MOST_SHAPES)) {
    const { M, N, K } = shape;
    const chosen = backend.gemmVariant(shape);
    const around = (parts: number) =>
      parts * 64 <= K && parts <= 4 * chosen.splitK &&
      4 * parts >= chosen.splitK;
    const variants = [
      chosen,
      ...[chosen, ...others].flatMap((tile) =>
        PARTS.filter(around).map((splitK) => ({ ...tile, splitK }))
      ),
    ];
    const times = await timeGemm(backend, shape, {
      ...{ variants, rounds: 2, roundMs: 3, limitMs: 2500 },
    });
    const best = times.map((rounds) => Math.min(...rounds));
    const first = best.indexOf(Math.min(...best));
    const tflops = (i: number) => 2 * M * N * K / best[i] / 1e9;
    figures.push({
      shape: shapeKey(shape),
      chosen: formatVariant(chosen),
      chosenTflops: tflops(0),
      best: formatVariant(variants[first]),
      bestTflops: tflops(first),
    });
  }
  return figures;
}
