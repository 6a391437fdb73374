/**
 * `hearth bench train`: whole steps of a training run, without its data.
 *
 * @module
 */

import type { Backend } from "../../backend/backend.ts";
import { formatApprox, formatBytes, formatCount } from "../../base/format.ts";
import { flopsPerToken, parameterCount } from "../../model/model_size.ts";
import { openTrialStep } from "../../train/trial_step.ts";
import { formatFields } from "../output/table.ts";
import type { BenchModel } from "./bench_model.ts";
import { peakRssBytes } from "./machine.ts";
import { measure, perStep, spreadPct, type Timing } from "./timing.ts";

/** What came out. */
export interface TrainFigures {
  /** The sizes that make two figures comparable. */
  readonly shape: ReturnType<typeof shapeOf>;
  readonly parameterCount: number;
  readonly tokensPerSec: number;
  readonly msPerStep: number;
  readonly step: Timing;
  /** By 6 N and the attention products; see model/model_size.ts. */
  readonly flopsPerToken: number;
  readonly gflops: number;
  /** Of the whole process. */
  readonly peakRssBytes: number | null;
}

/** Steps for at least `seconds`. */
export async function benchTrain(
  backend: Backend,
  bench: BenchModel,
  { seconds }: { seconds: number },
): Promise<TrainFigures> {
  const { executable, tokens, steps, run } = await openTrialStep(
    backend,
    bench,
  );
  const step = perStep(await measure(run, { seconds }), steps);
  const peak = peakRssBytes();
  await executable.dispose();
  const flops = flopsPerToken(bench.model);
  return {
    shape: shapeOf(bench),
    parameterCount: parameterCount(bench.model),
    tokensPerSec: tokens / step.medianMs * 1000,
    msPerStep: step.medianMs,
    step,
    flopsPerToken: flops,
    gflops: flops * tokens / step.medianMs / 1e6,
    peakRssBytes: peak,
  };
}

/** The figures for people; pure. */
export function formatTrain(figures: TrainFigures): string {
  const { shape, step } = figures;
  const { nLayer, nHead, nEmbd, seqLen, batchSize, vocabSize } = shape;
  return formatFields([
    [
      "model",
      `${shape.arch} L${nLayer} H${nHead} C${nEmbd} T${seqLen} ` +
      `B${batchSize} V${vocabSize}, ` +
      `${formatApprox(figures.parameterCount)} parameters`,
    ],
    ["tokens/s", formatCount(figures.tokensPerSec)],
    [
      "ms/step",
      `${step.medianMs.toFixed(1)} (median of ${step.runs}; half lie within ` +
      `${step.lowMs.toFixed(1)} to ${step.highMs.toFixed(1)}, ` +
      `${spreadPct(step).toFixed(1)} %)`,
    ],
    [
      "GFLOP/s",
      `${figures.gflops.toFixed(1)} at ` +
      `${(figures.flopsPerToken / 1e6).toFixed(1)} MFLOP per token`,
    ],
    ["peak memory", formatBytes(figures.peakRssBytes)],
  ]);
}

/** Sizes for the other side of a comparison. */
export function shapeOf({ model, config }: BenchModel) {
  const { arch, nLayer, nHead, nKvHead, nEmbd, ffnDim, seqLen } = model;
  const { vocabSize, bias, gelu, dropout } = model;
  return {
    ...{ arch, nLayer, nHead, nKvHead, nEmbd, ffnDim, seqLen, vocabSize },
    ...{ bias, gelu, dropout, batchSize: config.train.batchSize },
  };
}
